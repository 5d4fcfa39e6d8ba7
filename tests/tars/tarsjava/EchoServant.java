import com.qq.tars.common.support.Holder;
import java.util.List;
import java.util.Map;

public class EchoServant implements Echo {
  private static <T> T copied(T value, Holder<T> copy) {
    copy.setValue(value);
    return value;
  }

  public boolean echoBool(boolean value, Holder<Boolean> copy) {
    return copied(value, copy);
  }

  public byte echoByte(byte value, Holder<Byte> copy) {
    return copied(value, copy);
  }

  public short echoShort(short value, Holder<Short> copy) {
    return copied(value, copy);
  }

  public int echoInt(int value, Holder<Integer> copy) {
    return copied(value, copy);
  }

  public long echoLong(long value, Holder<Long> copy) {
    return copied(value, copy);
  }

  public float echoFloat(float value, Holder<Float> copy) {
    return copied(value, copy);
  }

  public double echoDouble(double value, Holder<Double> copy) {
    return copied(value, copy);
  }

  public String echoString(String value, Holder<String> copy) {
    return copied(value, copy);
  }

  public List<Integer> echoInts(List<Integer> value, Holder<List<Integer>> copy) {
    return copied(value, copy);
  }

  public List<String> echoStrings(List<String> value, Holder<List<String>> copy) {
    return copied(value, copy);
  }

  public Map<String, String> echoMap(Map<String, String> value, Holder<Map<String, String>> copy) {
    return copied(value, copy);
  }
}
