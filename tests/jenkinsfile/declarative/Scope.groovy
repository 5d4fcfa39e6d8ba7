/** What every block of a Jenkinsfile sees: params, env, currentBuild. Other names are refused. */
abstract class Scope {
    protected final Build build

    Scope(Build build) {
        this.build = build
    }

    Map getParams() { build.params }

    Map getEnv() { build.env }

    Map getCurrentBuild() { build.summary }

    /** Run a block's closure so that every name in it is looked up here and nowhere else. */
    protected <T extends Scope> T within(T scope, Closure body) {
        body.delegate = scope
        body.resolveStrategy = Closure.DELEGATE_ONLY
        body.call()
        scope
    }
}
