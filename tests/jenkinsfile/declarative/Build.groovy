import java.nio.channels.FileChannel
import java.nio.channels.FileLock
import java.nio.file.Files
import java.nio.file.StandardCopyOption
import java.nio.file.StandardOpenOption
import java.util.concurrent.TimeUnit
import sun.misc.Signal

/** What a build is at: its result, its variables, its node, and the command that runs. */
class Build {
    static final List<String> RESULTS = ['SUCCESS', 'UNSTABLE', 'FAILURE', 'ABORTED'].asImmutable()
    /** Seconds from SIGTERM to SIGKILL for what a step or a build leaves behind. */
    static final int GRACE_S = 20

    String job, number, label
    File agent, source, children, archive
    Map<String, String> params
    Map<String, String> env = [:]
    String result = 'SUCCESS'
    /** Ends of the time-outs that run, by System.nanoTime(), innermost last. */
    List<Long> deadlines = []
    File workspace

    private final long began = System.currentTimeMillis()
    private final Thread main = Thread.currentThread()
    private final String cookie = UUID.randomUUID()
    private FileLock taken
    private Exception told
    private volatile boolean stopAsked

    // Its result and its log

    void say(CharSequence line) {
        System.out.println(line)
        System.out.flush()
    }

    void worsen(String other) {
        if (RESULTS.indexOf(other) > RESULTS.indexOf(result)) {
            result = other
        }
    }

    /** Says what went wrong where it did, and not again in each section around it. */
    void failed(Exception error) {
        if (!error.is(told)) {
            say("ERROR: $error.message")
            told = error
        }
        worsen(error instanceof Interrupted ? 'ABORTED' : 'FAILURE')
    }

    Map getSummary() { [startTimeInMillis: began, currentResult: result, number: number as int] }

    // Its end before its time

    /** A signal is what a person's click on "stop" is: it ends the step that runs, once. */
    void stopOnSignal(String name) {
        Signal.handle(new Signal(name)) {
            stopAsked = true
            main.interrupt()
        }
    }

    private void endIfAsked() {
        if (stopAsked) {
            stopAsked = false
            Thread.interrupted()
            throw new Interrupted('Aborted by a signal')
        }
    }

    long deadline(Map limit) {
        def unit = TimeUnit.valueOf(limit.unit ?: 'MINUTES')
        System.nanoTime() + unit.toNanos(limit.time as long)
    }

    // Its node

    /** A workspace that no other build has, with the source code in it. */
    void takeNode(String wanted) {
        endIfAsked()
        if (wanted && wanted != label) {
            throw new BuildFailed("There are no nodes with the label '$wanted'")
        }
        taken = (1..9).findResult { lock(it == 1 ? job : "$job@$it") }
        if (!taken) {
            throw new BuildFailed("$agent has no workspace left for $job")
        }
        say("Running on an agent in $workspace")
        env = params + [
            BUILD_NUMBER: number, BUILD_TAG: "jenkins-$job-$number" as String, CI: 'true',
            JOB_NAME: job, WORKSPACE: workspace.path,
        ] + env
        source.eachFile { file ->
            Files.copy(file.toPath(), new File(workspace, file.name).toPath(),
                StandardCopyOption.REPLACE_EXISTING, StandardCopyOption.COPY_ATTRIBUTES)
        }
    }

    private FileLock lock(String name) {
        workspace = new File(agent, name)
        workspace.mkdirs()
        FileChannel.open(new File(agent, "${name}.lock").toPath(),
            StandardOpenOption.CREATE, StandardOpenOption.WRITE).tryLock()
    }

    /** Ends whatever the build has started there and left running. */
    void leaveNode() {
        if (taken) {
            endProcesses('JENKINS_NODE_COOKIE', cookie)
            taken.channel().close()
            taken = null
        }
    }

    // Its commands

    /** Run a command in the workspace, with its output in the log; returns its status. */
    int run(List<String> command) {
        endIfAsked()
        def step = "durable-${UUID.randomUUID()}" as String
        def builder = new ProcessBuilder(command).directory(workspace).redirectErrorStream(true)
            .redirectOutput(ProcessBuilder.Redirect.INHERIT)
        builder.environment().putAll(
            params + env + [JENKINS_SERVER_COOKIE: step, JENKINS_NODE_COOKIE: cookie])
        def process = builder.start()
        process.outputStream.close()
        try {
            if (!deadlines) {
                return process.waitFor()
            }
            long left = deadlines.min() - System.nanoTime()
            if (process.waitFor(left, TimeUnit.NANOSECONDS)) {
                return process.exitValue()
            }
        } catch (InterruptedException ignored) {
            endProcesses('JENKINS_SERVER_COOKIE', step)
            endIfAsked()
        }
        endProcesses('JENKINS_SERVER_COOKIE', step)
        throw new Interrupted('Timeout has been exceeded')
    }

    /** As Jenkins does: by a variable that they have inherited, whoever their parent is now. */
    private void endProcesses(String variable, String value) {
        def left = { having("$variable=$value") }
        left().each { it.destroy() }
        long end = System.nanoTime() + TimeUnit.SECONDS.toNanos(GRACE_S)
        while (left() && System.nanoTime() < end) {
            sleep(50) // they are no children of ours that could be waited for
        }
        left().each {
            say("Killing process ${it.pid()}, which has not ended in $GRACE_S s")
            it.destroyForcibly()
        }
    }

    private static List<ProcessHandle> having(String variable) {
        new File('/proc').list().findAll { it.isLong() && variable in variables(it) }
            .collect { handle(it as long) }.findAll()
    }

    private static List<String> variables(String pid) {
        try {
            new File("/proc/$pid/environ").getText('ISO-8859-1').tokenize('\0')
        } catch (IOException ignored) {
            [] // it has ended, or belongs to somebody else
        }
    }

    /** By reflection: this Groovy compiles no call of an interface's static method. */
    private static ProcessHandle handle(long pid) {
        ProcessHandle.getMethod('of', long).invoke(null, pid).orElse(null)
    }
}
