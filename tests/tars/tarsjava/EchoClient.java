import com.qq.tars.client.Communicator;
import com.qq.tars.client.CommunicatorConfig;
import com.qq.tars.client.CommunicatorFactory;
import com.qq.tars.common.support.Holder;
import java.util.Arrays;
import java.util.Collections;
import java.util.Objects;
import java.util.function.BiFunction;

/** java EchoClient "OBJECT@tcp -h H -p P": calls every function, prints those that differed. */
public class EchoClient {
  private static <T> void judge(String name, T value, BiFunction<T, Holder<T>, T> call) {
    Holder<T> copy = new Holder<>();
    T returned = call.apply(value, copy);
    boolean same = Objects.equals(value, returned) && Objects.equals(value, copy.getValue());
    System.out.println(name + (same ? " same" : " sent " + value + ", returned " + returned + ", out " + copy.getValue()));
  }

  public static void main(String[] arguments) {
    CommunicatorConfig config = new CommunicatorConfig();
    config.setSyncInvokeTimeout(20000);
    Communicator communicator = CommunicatorFactory.getInstance().getCommunicator(config);
    Echo echo = communicator.stringToProxy(Echo.class, arguments[0]);
    judge("echoBool", true, echo::echoBool);
    judge("echoByte", (byte) -128, echo::echoByte);
    judge("echoShort", (short) -32768, echo::echoShort);
    judge("echoInt", Integer.MIN_VALUE, echo::echoInt);
    judge("echoLong", Long.MAX_VALUE, echo::echoLong);
    judge("echoFloat", -3.25f, echo::echoFloat);
    judge("echoDouble", 1e300, echo::echoDouble);
    judge("echoString", "caf\u00e9 \u4f60\u597d", echo::echoString);
    judge("echoInts", Arrays.asList(0, -1, 70000), echo::echoInts);
    judge("echoStrings", Arrays.asList("", "x"), echo::echoStrings);
    judge("echoMap", Collections.singletonMap("k", "v"), echo::echoMap);
    System.exit(0);
  }
}
