/** The class that a Jenkinsfile is compiled to: one pipeline block, and nothing beside it. */
abstract class PipelineScript extends Script {
    Section pipeline

    void pipeline(Closure body) {
        if (pipeline) {
            throw new BuildFailed('there must be one pipeline block')
        }
        pipeline = new Section(binding.build, 'pipeline', body)
    }
}
