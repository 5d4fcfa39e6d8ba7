import java.lang.annotation.Retention
import java.lang.annotation.RetentionPolicy

/** Marks what a Jenkinsfile may write in a block; it is known there by the method's name. */
@Retention(RetentionPolicy.RUNTIME)
@interface Word { }
