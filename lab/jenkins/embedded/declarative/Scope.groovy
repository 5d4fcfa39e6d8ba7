/** What a block of a Jenkinsfile means. Every word in it is looked up here and nowhere else. */
abstract class Scope {
    protected final Build build

    Scope(Build build) {
        this.build = build
    }

    /** What may be read in it. */
    Map<String, Object> values() {
        [params: build.params, env: build.env, currentBuild: build.summary]
    }

    void assign(String name, Object value) {
        throw new BuildFailed("$name = … is not understood in $this")
    }

    @Override
    String toString() { getClass().simpleName.toLowerCase() }

    Object understand(int line, String word, Object... arguments) {
        def known = getClass().methods.any { it.name == word && it.isAnnotationPresent(Word) }
        if (!known || !metaClass.respondsTo(this, word, arguments)) {
            def how = known ? ' with these arguments' : ''
            throw new BuildFailed("line $line: $word$how is not understood in $this")
        }
        metaClass.invokeMethod(this, word, arguments)
    }

    /** Do what a block says in this scope. */
    protected <T extends Scope> T within(T scope, Closure body) {
        if (body) {
            body.delegate = new Names(scope)
            body.resolveStrategy = Closure.DELEGATE_ONLY
            body.call()
        }
        scope
    }

    /** Refuses the named arguments of a step that it does not know. */
    protected static void only(Map given, String step, String... known) {
        def others = given.keySet() - (known as List)
        if (others) {
            throw new BuildFailed("$step: ${others.join(', ')} is not understood")
        }
    }
}

/** What stands behind a block's closure: its words and values, and no part of this program. */
class Names extends GroovyObjectSupport {
    private final Scope behind

    Names(Scope behind) {
        this.behind = behind
    }

    Object understand(int line, String word, Object... arguments) {
        behind.understand(line, word, arguments)
    }

    @Override
    Object getProperty(String name) {
        def values = behind.values()
        if (!values.containsKey(name)) {
            throw new BuildFailed("No such property: $name in $behind")
        }
        values[name]
    }

    @Override
    void setProperty(String name, Object value) { behind.assign(name, value) }
}
