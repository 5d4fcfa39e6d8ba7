/** The steps that the suite's Jenkinsfiles use. */
class Steps extends Scope {
    Steps(Build build) { super(build) }

    @Word
    void sh(CharSequence script) {
        build.mark('sh')
        int status = build.ask([do: 'sh', script: script as String, env: build.bound]) as int
        if (status != 0) {
            throw new BuildFailed("script returned exit code $status")
        }
    }

    @Word
    void echo(CharSequence message) {
        build.mark('echo')
        build.say(message)
    }

    @Word
    void error(CharSequence message) {
        build.mark('error')
        throw new BuildFailed(message as String)
    }

    /** Another job, with its defaults; it is waited for, and stopped with this build. */
    @Word
    void build(Map what) {
        only(what, 'build', 'job')
        build.mark('build')
        def child = build.ask([do: 'build', job: what.job as String]) as Map
        if (child.result == 'UNSTABLE') {
            build.worsen('UNSTABLE')
        } else if (child.result != 'SUCCESS') {
            throw new BuildFailed("$what.job #$child.number completed with status $child.result")
        }
    }

    @Word
    void archiveArtifacts(Map what) {
        only(what, 'archiveArtifacts', 'artifacts', 'excludes', 'allowEmptyArchive')
        build.mark('archiveArtifacts')
        build.ask([
            do: 'archive', artifacts: what.artifacts as String,
            excludes: (what.excludes ?: '') as String, allowEmpty: what.allowEmptyArchive as boolean,
        ])
    }

    /** Test cases that failed make a build UNSTABLE. */
    @Word
    void junit(Map what) {
        only(what, 'junit', 'testResults', 'allowEmptyResults')
        build.mark('junit')
        build.ask([
            do: 'junit', results: what.testResults as String,
            allowEmpty: what.allowEmptyResults as boolean,
        ])
    }

    @Word
    void timeout(Map limit, Closure body) {
        only(limit, 'timeout', 'time', 'unit')
        build.within(limit) { within(this, body) }
    }

    @Word
    void catchError(Map how, Closure body) {
        only(how, 'catchError', 'buildResult', 'stageResult', 'catchInterruptions', 'message')
        try {
            build.block('catchError') { within(this, body) }
        } catch (Interrupted error) {
            if (how.catchInterruptions == false) {
                throw error
            }
            build.endedBy(error)
        } catch (Exception error) {
            build.say("ERROR: ${how.message ?: build.textOf(error)}")
            build.worsen(how.buildResult ?: 'FAILURE')
        }
    }

    @Word
    void catchError(Closure body) { catchError([:], body) }
}
