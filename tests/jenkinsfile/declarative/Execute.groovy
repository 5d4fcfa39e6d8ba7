/* Executes a declarative Jenkinsfile. ../runner.py compiles and starts this, and says what for. */

import org.codehaus.groovy.control.CompilerConfiguration

def build = new Build(
    job: System.getProperty('job'),
    number: System.getProperty('number'),
    agent: new File(System.getProperty('agent')),
    label: System.getProperty('label'),
    source: new File(System.getProperty('source')),
    children: new File(System.getProperty('children')),
    archive: new File(System.getProperty('archive')),
    params: args.collectEntries { it.split('=', 2) as List }.asImmutable())
build.stopOnSignal('TERM')

try {
    def compiler = new CompilerConfiguration(scriptBaseClass: PipelineScript.name)
    compiler.addCompilationCustomizers(new EqualsCondition())
    def script = new GroovyShell(this.class.classLoader, new Binding(build: build), compiler)
        .parse(new File(System.getProperty('jenkinsfile')).text, 'WorkflowScript')
    script.run()
    script.pipeline.perform()
} catch (Exception error) {
    build.failed(error)
} finally {
    build.leaveNode()
}
build.say("Finished: $build.result")
System.exit(build.result == 'SUCCESS' ? 0 : 1)
