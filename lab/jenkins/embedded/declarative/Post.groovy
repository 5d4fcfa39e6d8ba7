/** `post { always { … } … }`: in Jenkins' order, not the file's; one that fails stops no other. */
class Post extends Scope {
    private final Map<String, Closure> conditions = [:]

    Post(Build build) { super(build) }

    @Word
    void always(Closure steps) { conditions.always = steps }

    @Word
    void aborted(Closure steps) { conditions.aborted = steps }

    @Word
    void failure(Closure steps) { conditions.failure = steps }

    @Word
    void success(Closure steps) { conditions.success = steps }

    @Word
    void unstable(Closure steps) { conditions.unstable = steps }

    @Word
    void cleanup(Closure steps) { conditions.cleanup = steps }

    void perform() {
        build.block('stage', 'Declarative: Post Actions') {
            ['always', 'aborted', 'failure', 'success', 'unstable', 'cleanup'].each { name ->
                def steps = conditions[name]
                if (steps && (name in ['always', 'cleanup'] || name == build.result.toLowerCase())) {
                    attempt(name, steps)
                }
            }
        }
    }

    private void attempt(String name, Closure steps) {
        try {
            within(new Steps(build), steps)
        } catch (Throwable error) {
            build.say("Error when executing $name post condition:")
            build.say(build.textOf(error))
            build.endedBy(error)
        }
    }
}
