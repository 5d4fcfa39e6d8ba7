import groovy.json.JsonOutput
import groovy.json.JsonSlurper

/** Whoever does what touches the world; ../groovy.py says which messages there are. */
class Host {
    private final BufferedReader answers
    private final PrintStream requests

    Host(InputStream answers, OutputStream requests) {
        this.answers = new BufferedReader(new InputStreamReader(answers, 'UTF-8'))
        this.requests = new PrintStream(requests, true, 'UTF-8')
    }

    void tell(Map message) { requests.println(JsonOutput.toJson(message)) }

    Map hear() {
        def line = answers.readLine()
        if (line == null) {
            System.exit(1) // it is gone: there is nothing left to do this for
        }
        new JsonSlurper().parseText(line) as Map
    }

    Map ask(Map message) {
        tell(message)
        hear()
    }
}
