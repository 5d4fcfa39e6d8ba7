/** A step failed, or the Jenkinsfile cannot be run; the text says why. */
class BuildFailed extends Exception {
    BuildFailed(String why) { super(why) }
}
