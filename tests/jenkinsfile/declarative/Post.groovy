/** `post { always { … } … }`: in Jenkins' order, not the file's; one that fails stops no other. */
class Post extends Scope {
    private final Map<String, Closure> conditions = [:]

    Post(Build build) { super(build) }

    void always(Closure steps) { conditions.always = steps }

    void aborted(Closure steps) { conditions.aborted = steps }

    void failure(Closure steps) { conditions.failure = steps }

    void success(Closure steps) { conditions.success = steps }

    void unstable(Closure steps) { conditions.unstable = steps }

    void cleanup(Closure steps) { conditions.cleanup = steps }

    void perform() {
        ['always', 'aborted', 'failure', 'success', 'unstable', 'cleanup'].each { name ->
            def steps = conditions[name]
            if (steps && (name in ['always', 'cleanup'] || name == build.result.toLowerCase())) {
                try {
                    within(new Steps(build), steps)
                } catch (Exception error) {
                    build.say("Error when executing $name post condition:")
                    build.failed(error)
                }
            }
        }
    }
}
