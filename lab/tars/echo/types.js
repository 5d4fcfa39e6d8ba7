// Tars types as @tars/stream reads and writes them, each with a zero value and a way to make
// another value of it: what the fault tars.echo-wrong returns.
"use strict";

const Tars = require("@tars/stream");

const number = (proto) => ({ proto, zero: () => 0, altered: (value) => (Number(value) === 0 ? 1 : 0) });

// As strings, because a JavaScript number has no 64 bits.
const int64 = {
  _write: (os, tag, value) => os.writeInt64(tag, value, true),
  _read: (is, tag) => is.readInt64(tag, true, 0, true),
  _classname: "int64",
};

const bool = { proto: Tars.Boolean, zero: () => false, altered: (value) => !value };
const string = { proto: Tars.String, zero: () => "", altered: (value) => `${value}?` };
const bytes = {
  proto: Tars.BinBuffer,
  zero: () => new Tars.BinBuffer(),
  altered: (value) => new Tars.BinBuffer(Buffer.concat([value.toNodeBuffer(), Buffer.from([0])])),
  cut: (value, length) => new Tars.BinBuffer(value.toNodeBuffer().subarray(0, length)),
};

function list(item) {
  const proto = Tars.List(item.proto);
  const altered = (value) => {
    const longer = Tars.List(item.proto);
    value.forEach((one) => longer.push(one));
    longer.push(item.zero());
    return longer;
  };
  return { proto, zero: () => Tars.List(item.proto), altered };
}

function map(key, value) {
  const proto = Tars.Map(key.proto, value.proto);
  const altered = (content) => {
    const larger = Tars.Map(key.proto, value.proto);
    content.forEach((name, one) => larger.insert(name, one));
    larger.insert("?", value.zero());
    return larger;
  };
  return { proto, zero: () => Tars.Map(key.proto, value.proto), altered };
}

// members: [tag, name, type], all of them required.
function struct(classname, members) {
  class Struct {
    constructor(values = {}) {
      for (const [, name, type] of members) this[name] = name in values ? values[name] : type.zero();
    }
    _writeTo(os) {
      for (const [tag, name, type] of members) type.proto._write(os, tag, this[name]);
    }
    static _readFrom(is) {
      const read = new Struct();
      for (const [tag, name, type] of members) read[name] = type.proto._read(is, tag, type.proto);
      return read;
    }
    static _write(os, tag, value) {
      os.writeStruct(tag, value);
    }
    static _read(is, tag) {
      return is.readStruct(tag, true, Struct);
    }
  }
  Struct._classname = classname;
  const [, first, firstType] = members[0];
  const altered = (value) => new Struct({ ...value, [first]: firstType.altered(value[first]) });
  return { proto: Struct, zero: () => new Struct(), altered };
}

module.exports = {
  bool,
  byte: number(Tars.Int8),
  short: number(Tars.Int16),
  int: number(Tars.Int32),
  long: number(int64),
  unsignedByte: number(Tars.UInt8),
  unsignedShort: number(Tars.UInt16),
  unsignedInt: number(Tars.UInt32),
  float: number(Tars.Float),
  double: number(Tars.Double),
  string,
  bytes,
  list,
  map,
  struct,
};
