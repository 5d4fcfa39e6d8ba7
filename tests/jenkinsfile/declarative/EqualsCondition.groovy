import org.codehaus.groovy.ast.ClassCodeVisitorSupport
import org.codehaus.groovy.ast.ClassNode
import org.codehaus.groovy.ast.expr.ConstantExpression
import org.codehaus.groovy.ast.expr.MethodCallExpression
import org.codehaus.groovy.classgen.GeneratorContext
import org.codehaus.groovy.control.CompilePhase
import org.codehaus.groovy.control.SourceUnit
import org.codehaus.groovy.control.customizers.CompilationCustomizer

/**
 * Renames the condition `equals expected: …, actual: …` to `areEqual`: a closure would take the
 * call for its own Object.equals. Jenkins never meets this, as it rewrites the whole tree.
 */
class EqualsCondition extends CompilationCustomizer {
    EqualsCondition() {
        super(CompilePhase.SEMANTIC_ANALYSIS)
    }

    @Override
    void call(SourceUnit source, GeneratorContext context, ClassNode script) {
        new ClassCodeVisitorSupport() {
            @Override
            protected SourceUnit getSourceUnit() { source }

            @Override
            void visitMethodCallExpression(MethodCallExpression call) {
                if (call.implicitThis && call.methodAsString == 'equals') {
                    call.method = new ConstantExpression('areEqual')
                }
                super.visitMethodCallExpression(call)
            }
        }.visitClass(script)
    }
}
