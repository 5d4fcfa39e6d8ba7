/* Executes a declarative Jenkinsfile for the host at the other end of standard input and output. */

import org.codehaus.groovy.control.CompilerConfiguration

def host = new Host(System.in, System.out)
System.setOut(System.err) // what a Jenkinsfile might print is no message
def given = host.hear()
def build = new Build(host, given)
try {
    def compiler = new CompilerConfiguration(scriptBaseClass: PipelineScript.name)
    compiler.addCompilationCustomizers(new Calls())
    def script = new GroovyShell(this.class.classLoader, new Binding(build: build), compiler)
        .parse(given.jenkinsfile as String, 'WorkflowScript')
    script.run()
    if (!script.pipeline) {
        throw new BuildFailed('there must be one pipeline block')
    }
    script.pipeline.perform()
} catch (Throwable error) {
    build.endedBy(error)
}
host.tell([do: 'end', result: build.result, error: build.error])
System.exit(0)
