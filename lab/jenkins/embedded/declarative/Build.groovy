import java.util.concurrent.TimeUnit

/** What a build is at: its result, its variables, and the time-outs that run. */
class Build {
    static final List<String> RESULTS =
        ['SUCCESS', 'UNSTABLE', 'FAILURE', 'NOT_BUILT', 'ABORTED'].asImmutable()

    final Map<String, Object> params
    /** Whether the job says where its source code is. */
    final boolean hasSource
    String result = 'SUCCESS'
    /** What the log says of its end; a person's stop and a time-out have been told by then. */
    String error
    /** Jenkins' own variables; those of the node are among them while there is one. */
    Map<String, String> given
    /** What `environment` blocks have added. */
    Map<String, String> bound = [:]
    /** Ends of the time-outs that run, by System.nanoTime(). */
    List<Long> deadlines = []

    private final Host host
    private final int number
    private final long began

    Build(Host host, Map start) {
        this.host = host
        params = (start.params as Map).asImmutable()
        hasSource = start.source
        given = start.env as Map
        number = start.number
        began = start.startTimeInMillis
    }

    // What a Jenkinsfile sees

    Map<String, String> getEnv() { (given + bound).asImmutable() }

    Map getSummary() { [number: number, startTimeInMillis: began, currentResult: result].asImmutable() }

    // Its result and its log

    void worsen(String other) {
        if (RESULTS.indexOf(other) > RESULTS.indexOf(result)) {
            result = other
        }
    }

    void endedBy(Throwable error) {
        worsen(error instanceof Interrupted ? 'ABORTED' : 'FAILURE')
        if (!(error instanceof Interrupted)) {
            this.error = this.error ?: textOf(error)
        }
    }

    static String textOf(Throwable error) { error.message ?: error.class.name }

    void say(CharSequence line) { host.tell([do: 'say', text: line]) }

    /** `[Pipeline] …`, by which Jenkins tells steps apart. */
    void mark(String what) { host.tell([do: 'mark', text: what]) }

    /** A step with steps in it. */
    def block(String name, String label = null, Closure body) {
        mark(name)
        mark(label ? "{ ($label)" : '{')
        try {
            body()
        } finally {
            mark('}')
            mark("// $name")
        }
    }

    // What the host does

    /** Have it done while the time-outs that run allow; returns what came of it. */
    def ask(Map what) {
        def within = deadlines ? (deadlines.min() - System.nanoTime()) / 1e9 : null
        if (within != null && within <= 0) {
            throw timedOut()
        }
        def answer = host.ask(within == null ? what : what + [within: within])
        worsen(answer.result as String)
        if (answer.stopped) {
            throw new Interrupted('a person stopped it')
        }
        if (answer.timedOut) {
            throw timedOut()
        }
        if (answer.failed) {
            throw new BuildFailed(answer.failed as String)
        }
        answer.value
    }

    private Interrupted timedOut() {
        say('Timeout has been exceeded')
        new Interrupted('a time-out ended it')
    }

    /** Do what `body` does; it ends, and everything in it, when the time is over. */
    def within(Map limit, Closure body) {
        def unit = TimeUnit.valueOf(limit.unit ?: 'MINUTES')
        long nanos = unit.toNanos(limit.time as long)
        def outer = deadlines
        deadlines = outer + [System.nanoTime() + nanos]
        try {
            block('timeout', body)
        } finally {
            deadlines = outer
        }
    }

    /** Do what `body` does on a node with that label ("" is any), the source code on it. */
    def onNode(String label, Closure body) {
        def outer = given
        mark('node')
        given = ask([do: 'node', label: label]) as Map
        try {
            mark('{')
            if (hasSource) {
                block('stage', 'Declarative: Checkout SCM') {
                    mark('checkout')
                    ask([do: 'checkout'])
                }
            }
            body()
        } finally {
            mark('}')
            mark('// node')
            host.ask([do: 'leave'])
            given = outer
        }
    }
}
