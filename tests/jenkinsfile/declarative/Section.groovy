/**
 * The pipeline, or a stage. Its parts are read in whatever order they stand, those of all stages
 * within it as well, before anything runs: a part that is not understood fails the build first.
 */
class Section extends Scope {
    final String name
    private final Map<String, Closure> parts = [:]
    private List<Section> inner = []
    private boolean ownNode

    Section(Build build, String name, Closure body) {
        super(build)
        this.name = name
        within(this, body)
    }

    // Parts

    String getAny() { 'any' }

    String getNone() { 'none' }

    void agent(String which) { keep('agent') { if (which == 'any') { label('') } } }

    void agent(Closure body) { keep('agent', body) }

    void environment(Closure body) { keep('environment', body) }

    void options(Closure body) { keep('options', body) }

    void when(Closure body) { keep('when', body) }

    void steps(Closure body) { keep('steps', body) }

    void stages(Closure body) {
        keep('stages', body)
        inner = within(new Stages(build), body).all
    }

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
        def outerEnv = build.env.clone()
        def outerDeadlines = build.deadlines.clone()
        def agent = within(new Agent(build), parts.agent ?: { })
        if (agent.wanted != null) {
            build.takeNode(agent.wanted)
            ownNode = true
        }
        try {
            doAll()
        } finally {
            build.env = outerEnv
            build.deadlines = outerDeadlines
            if (ownNode) {
                build.leaveNode()
            }
        }
    }

    private void doAll() {
        Exception ended = null
        try {
            within(new Environment(build), parts.environment ?: { })
            if (!within(new When(build), parts.when ?: { }).fits) {
                build.say("Stage \"$name\" skipped due to when conditional")
                return
            }
            def outerDeadlines = build.deadlines.clone()
            try {
                within(new Options(build), parts.options ?: { })
                within(new Steps(build), parts.steps ?: { })
                performStages()
            } finally {
                build.deadlines = outerDeadlines
            }
        } catch (Exception error) {
            build.failed(error)
            ended = error
        }
        if (parts.post) {
            build.say('[Pipeline] { (Declarative: Post Actions)')
            within(new Post(build), parts.post).perform()
        }
        if (ended) {
            throw ended
        }
    }

    /** One after the other; those that follow one that ended early are skipped, and said to be. */
    private void performStages() {
        Exception ended = null
        inner.each { stage ->
            build.say("[Pipeline] { ($stage.name)")
            if (ended) {
                build.say("Stage \"$stage.name\" skipped due to earlier failure(s)")
                return
            }
            try {
                stage.perform()
            } catch (Exception error) {
                ended = error
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

    void stage(String name, Closure body) { all << new Section(build, name, body) }
}

/** `agent { label 'x' }` */
class Agent extends Scope {
    /** The label; "" is any; null: no node of its own. */
    String wanted

    Agent(Build build) { super(build) }

    void label(CharSequence label) { wanted = label }
}

/** `environment { NAME = "value" }`; a value sees those above it as `env.NAME`. */
class Environment extends Scope {
    Environment(Build build) { super(build) }

    void setProperty(String name, Object value) { build.env[name] = value as String }
}

/** `when { … }`: every condition must fit. */
class When extends Scope {
    boolean fits = true

    When(Build build) { super(build) }

    void environment(Map condition) { fits &= build.env[condition.name] == condition.value }

    void areEqual(Map condition) { fits &= condition.expected == condition.actual }
}

/** Options that say something to the queue or the log alone are accepted; a time-out counts. */
class Options extends Scope {
    Options(Build build) { super(build) }

    void timestamps() { }

    void disableConcurrentBuilds() { }

    void throttle(List categories) { build.say("throttle: there is no queue here for $categories") }

    void timeout(Map limit) { build.deadlines << build.deadline(limit) }
}
