/** A person or a time-out ended what ran; the build is ABORTED. */
class Interrupted extends Exception {
    Interrupted(String why) { super(why) }
}
