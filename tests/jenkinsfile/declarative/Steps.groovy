import groovy.io.FileType
import java.nio.file.FileSystems
import java.nio.file.Files
import javax.xml.parsers.DocumentBuilderFactory

/** The steps that the suite's Jenkinsfiles use; another one is refused by Groovy itself. */
class Steps extends Scope {
    Steps(Build build) { super(build) }

    void sh(String script) {
        build.say('[Pipeline] sh')
        int status = build.run(['/bin/sh', '-xe', '-c', script])
        if (status != 0) {
            throw new BuildFailed("script returned exit code $status")
        }
    }

    void echo(CharSequence message) { build.say(message) }

    /** Another job: an executable of that name among the children, and what it exits with. */
    void build(Map what) {
        def child = new File(build.children, what.job as String)
        build.say("Scheduling project: $what.job")
        if (!child.canExecute()) {
            throw new BuildFailed("No item named $what.job found")
        }
        int status = build.run([child.path])
        if (status != 0) {
            throw new BuildFailed("$what.job completed with status FAILURE")
        }
    }

    void timeout(Map limit, Closure body) {
        build.deadlines << build.deadline(limit)
        try {
            within(this, body)
        } finally {
            build.deadlines.pop()
        }
    }

    void catchError(Map how, Closure body) {
        try {
            within(this, body)
        } catch (Interrupted error) {
            if (how.catchInterruptions == false) {
                throw error
            }
            build.failed(error)
        } catch (BuildFailed error) {
            build.say("ERROR: $error.message")
            build.worsen(how.buildResult ?: 'FAILURE')
        }
    }

    void archiveArtifacts(Map what) {
        def found = matching(what.artifacts as String)
        build.say("Archiving artifacts: ${found.size()}")
        if (!found && !what.allowEmptyArchive) {
            throw new BuildFailed("No artifacts found that match the file pattern \"$what.artifacts\"")
        }
        found.each { file ->
            def copy = new File(build.archive, relative(file)).toPath()
            Files.createDirectories(copy.parent)
            Files.copy(file.toPath(), copy)
        }
    }

    /** Test cases that failed make a build UNSTABLE. */
    void junit(Map what) {
        def found = matching(what.testResults as String)
        if (!found && !what.allowEmptyResults) {
            throw new BuildFailed('No test report files were found. Configuration error?')
        }
        int failed = found.sum(0) { file ->
            def results = DocumentBuilderFactory.newInstance().newDocumentBuilder().parse(file)
            ['failure', 'error'].sum { results.getElementsByTagName(it).length }
        }
        build.say("Recording test results: $failed failed")
        if (failed) {
            build.worsen('UNSTABLE')
        }
    }

    /** Looked for below the part of the pattern that has no wildcard: the rest may change meanwhile. */
    private List<File> matching(String pattern) {
        def matcher = FileSystems.default.getPathMatcher("glob:$pattern")
        def top = new File(build.workspace, pattern.tokenize('/').takeWhile { !it.contains('*') }.join('/'))
        def found = top.file ? [top] : []
        if (top.directory) {
            top.eachFileRecurse(FileType.FILES) { found << it }
        }
        found.findAll { matcher.matches(new File(relative(it)).toPath()) }
    }

    private String relative(File file) { build.workspace.toPath().relativize(file.toPath()) }
}
