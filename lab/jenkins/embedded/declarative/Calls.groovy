import org.codehaus.groovy.ast.ClassCodeVisitorSupport
import org.codehaus.groovy.ast.ClassNode
import org.codehaus.groovy.ast.expr.ArgumentListExpression
import org.codehaus.groovy.ast.expr.ConstantExpression
import org.codehaus.groovy.ast.expr.Expression
import org.codehaus.groovy.ast.expr.MapExpression
import org.codehaus.groovy.ast.expr.MethodCallExpression
import org.codehaus.groovy.ast.expr.NamedArgumentListExpression
import org.codehaus.groovy.ast.expr.TupleExpression
import org.codehaus.groovy.classgen.GeneratorContext
import org.codehaus.groovy.control.CompilePhase
import org.codehaus.groovy.control.SourceUnit
import org.codehaus.groovy.control.customizers.CompilationCustomizer

/**
 * Makes `name(arguments)` in a Jenkinsfile `understand(line, 'name', arguments)`: so each block
 * decides what it knows. Else a closure would take `equals …`, `println …` or `sleep …` for
 * methods that every object has in Groovy. Jenkins never meets this: it rewrites the whole tree.
 */
class Calls extends CompilationCustomizer {
    Calls() {
        super(CompilePhase.SEMANTIC_ANALYSIS)
    }

    @Override
    void call(SourceUnit source, GeneratorContext context, ClassNode script) {
        new ClassCodeVisitorSupport() {
            @Override
            protected SourceUnit getSourceUnit() { source }

            @Override
            void visitMethodCallExpression(MethodCallExpression call) {
                super.visitMethodCallExpression(call)
                if (call.implicitThis && call.methodAsString) {
                    def line = new ConstantExpression(call.lineNumber)
                    call.arguments = new ArgumentListExpression(
                        [line, new ConstantExpression(call.methodAsString)] + arguments(call))
                    call.method = new ConstantExpression('understand')
                }
            }
        }.visitClass(script)
    }

    private static List<Expression> arguments(MethodCallExpression call) {
        (call.arguments as TupleExpression).expressions.collect {
            it instanceof NamedArgumentListExpression ? new MapExpression(it.mapEntryExpressions) : it
        }
    }
}
