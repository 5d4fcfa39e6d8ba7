import com.qq.tars.common.support.Holder;
import com.qq.tars.protocol.annotation.Servant;
import com.qq.tars.protocol.tars.annotation.TarsHolder;
import com.qq.tars.protocol.tars.annotation.TarsMethodParameter;
import java.util.List;
import java.util.Map;

/** A part of lab/tars/echo/Echo.tars. */
@Servant
public interface Echo {
  boolean echoBool(@TarsMethodParameter(name = "value") boolean value, @TarsHolder(name = "copy") Holder<Boolean> copy);

  byte echoByte(@TarsMethodParameter(name = "value") byte value, @TarsHolder(name = "copy") Holder<Byte> copy);

  short echoShort(@TarsMethodParameter(name = "value") short value, @TarsHolder(name = "copy") Holder<Short> copy);

  int echoInt(@TarsMethodParameter(name = "value") int value, @TarsHolder(name = "copy") Holder<Integer> copy);

  long echoLong(@TarsMethodParameter(name = "value") long value, @TarsHolder(name = "copy") Holder<Long> copy);

  float echoFloat(@TarsMethodParameter(name = "value") float value, @TarsHolder(name = "copy") Holder<Float> copy);

  double echoDouble(@TarsMethodParameter(name = "value") double value, @TarsHolder(name = "copy") Holder<Double> copy);

  String echoString(@TarsMethodParameter(name = "value") String value, @TarsHolder(name = "copy") Holder<String> copy);

  List<Integer> echoInts(
      @TarsMethodParameter(name = "value") List<Integer> value, @TarsHolder(name = "copy") Holder<List<Integer>> copy);

  List<String> echoStrings(
      @TarsMethodParameter(name = "value") List<String> value, @TarsHolder(name = "copy") Holder<List<String>> copy);

  Map<String, String> echoMap(
      @TarsMethodParameter(name = "value") Map<String, String> value,
      @TarsHolder(name = "copy") Holder<Map<String, String>> copy);
}
