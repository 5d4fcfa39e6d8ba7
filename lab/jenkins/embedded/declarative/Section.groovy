/**
 * The pipeline, or a stage. Its parts are read in whatever order they stand, those of all stages
 * within it as well, before anything runs: a part that is not understood fails the build first.
 */
class Section extends Scope {
    final String name
    private final Map<String, Closure> parts = [:]
    private List<Section> inner = []
    private List<Long> outerDeadlines

    Section(Build build, String name, Closure body) {
        super(build)
        this.name = name
        within(this, body)
        if (!parts.steps == !parts.stages) {
            throw new BuildFailed("$name must have either stages or steps")
        }
    }

    @Override
    String toString() { name }

    @Override
    Map<String, Object> values() { super.values() + [any: 'any', none: 'none'] }

    // Parts

    @Word
    void agent(String which) { keep('agent') { if (which == 'any') { understand(0, 'label', '') } } }

    @Word
    void agent(Closure body) { keep('agent', body) }

    @Word
    void environment(Closure body) { keep('environment', body) }

    @Word
    void options(Closure body) { keep('options', body) }

    @Word
    void when(Closure body) { keep('when', body) }

    @Word
    void steps(Closure body) { keep('steps', body) }

    @Word
    void stages(Closure body) {
        keep('stages', body)
        inner = within(new Stages(build), body).all
    }

    @Word
    void post(Closure body) {
        keep('post', body)
        within(new Post(build), body)
    }

    private void keep(String part, Closure body) {
        if (parts.put(part, body)) {
            throw new BuildFailed("$name: there is a second $part")
        }
    }

    // Execution

    /** Raises what ended it early, when its post is done. */
    void perform() {
        outerDeadlines = build.deadlines
        def limit = within(new Options(build), parts.options).limit
        limit ? build.within(limit) { onAgent() } : onAgent()
    }

    private void onAgent() {
        def label = within(new Agent(build), parts.agent).wanted
        label == null ? withEnvironment() : build.onNode(label) { withEnvironment() }
    }

    private void withEnvironment() {
        def outer = build.bound
        try {
            build.bound = outer.clone() as Map
            within(new Environment(build), parts.environment)
            parts.environment ? build.block('withEnv') { unlessSkipped() } : unlessSkipped()
        } finally {
            build.bound = outer
        }
    }

    private void unlessSkipped() {
        if (!within(new When(build), parts.when).fits) {
            build.say("Stage \"$name\" skipped due to when conditional")
            return
        }
        Throwable ended = null
        try {
            within(new Steps(build), parts.steps)
            performStages()
        } catch (Throwable error) {
            build.endedBy(error)
            ended = error
        }
        build.deadlines = outerDeadlines // its own time-out does not count for its post
        if (parts.post) {
            within(new Post(build), parts.post).perform()
        }
        if (ended) {
            throw ended
        }
    }

    /** One after the other; those that follow one that ended early are skipped, and said to be. */
    private void performStages() {
        Throwable ended = null
        inner.each { stage ->
            build.block('stage', stage.name) {
                if (ended) {
                    build.say("Stage \"$stage.name\" skipped due to earlier failure(s)")
                    return
                }
                try {
                    stage.perform()
                } catch (Throwable error) {
                    build.endedBy(error)
                    ended = error
                }
            }
        }
        if (ended) {
            throw ended
        }
    }
}

/** `stages { stage('name') { … } }` */
class Stages extends Scope {
    final List<Section> all = []

    Stages(Build build) { super(build) }

    @Word
    void stage(String name, Closure body) { all << new Section(build, name, body) }
}

/** `agent { label 'x' }` */
class Agent extends Scope {
    /** The label; "" is any; null: no node of its own. */
    String wanted

    Agent(Build build) { super(build) }

    @Word
    void label(CharSequence label) { wanted = label }
}

/** `environment { NAME = "value" }`; a value sees those above it as `env.NAME`. */
class Environment extends Scope {
    Environment(Build build) { super(build) }

    @Override
    void assign(String name, Object value) { build.bound[name] = value as String }
}

/** `when { … }`: every condition must fit. */
class When extends Scope {
    boolean fits = true

    When(Build build) { super(build) }

    @Word
    void environment(Map condition) {
        only(condition, 'environment', 'name', 'value')
        fits &= build.env[condition.name] == condition.value
    }

    @Word
    void equals(Map condition) {
        only(condition, 'equals', 'expected', 'actual')
        fits &= condition.expected == condition.actual
    }
}

/** Options that say something to the queue or the log alone are accepted; a time-out counts. */
class Options extends Scope {
    Map limit

    Options(Build build) { super(build) }

    @Word
    void timestamps() { }

    @Word
    void disableConcurrentBuilds() { }

    @Word
    void throttle(List categories) { build.say('[embedded] throttle: no category is configured') }

    @Word
    void timeout(Map limit) {
        only(limit, 'timeout', 'time', 'unit')
        this.limit = limit
    }
}
