// For tests: frames as a server writes them, right and wrong ones.

/** Builds a server frame. Right by default: final, no reserved bits, not masked. */
export function serverFrame(
  opcode: number,
  payload: Uint8Array | string,
  wrong: { final?: boolean; reserved?: number; masked?: boolean; length?: number } = {},
): Buffer {
  const body = Buffer.from(payload as Uint8Array);
  const { final = true, reserved = 0, masked = false, length = body.length } = wrong;
  const head = [(final ? 0x80 : 0) | reserved | opcode];
  const maskBit = masked ? 0x80 : 0;
  if (length < 126) head.push(maskBit | length);
  else if (length < 65_536) head.push(maskBit | 126, length >> 8, length & 0xff);
  else {
    const wide = Buffer.alloc(8);
    wide.writeBigUInt64BE(BigInt(length));
    head.push(maskBit | 127, ...wide);
  }
  if (masked) head.push(0, 0, 0, 0);
  return Buffer.concat([Buffer.from(head), body]);
}
