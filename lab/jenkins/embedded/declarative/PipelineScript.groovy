/** The class that a Jenkinsfile is compiled to: one pipeline block, and nothing beside it. */
abstract class PipelineScript extends Script {
    Section pipeline

    Object understand(int line, String word, Object... arguments) {
        if (word != 'pipeline' || arguments.length != 1 || !(arguments[0] instanceof Closure)) {
            throw new BuildFailed("line $line: $word is not understood beside the pipeline block")
        }
        if (pipeline) {
            throw new BuildFailed("line $line: there must be one pipeline block")
        }
        pipeline = new Section(binding.build as Build, 'pipeline', arguments[0] as Closure)
    }
}
