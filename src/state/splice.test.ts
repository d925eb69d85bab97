import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import {
  findValue,
  findValues,
  forEachElement,
  forEachMember,
  idOf,
  keyText,
  mergeObjects,
  numberOf,
  SpliceError,
  skipValue,
  splice,
  withMembers,
  withoutMembers,
} from './splice.ts';

const RUNS = { numRuns: 300 };

/** JSON text with random white space between tokens, some characters escaped, and numbers of any size. */
function write(value: unknown, noise: () => number): string {
  const space = (): string => ['', '', '', ' ', '\n', '\t ', '\r\n'][noise() % 7]!;
  const word = (text: string): string =>
    noise() % 3 === 0
      ? `"${[...text].map((char) => (char.length === 1 ? `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}` : char)).join('')}"`
      : JSON.stringify(text);
  if (typeof value === 'string') return word(value);
  if (Array.isArray(value))
    return `[${space()}${value.map((item) => write(item, noise) + space()).join(`,${space()}`)}]`;
  if (typeof value === 'object' && value !== null)
    return `{${space()}${Object.entries(value)
      .map(([key, item]) => `${word(key)}${space()}:${space()}${write(item, noise)}${space()}`)
      .join(`,${space()}`)}}`;
  return JSON.stringify(value);
}

// Assigning to `__proto__` is the one key where an object is not what its JSON says.
const plainObject = fc
  .dictionary(
    fc.string({ unit: 'grapheme' }).filter((key) => key !== '__proto__'),
    fc.jsonValue(),
  )
  .map((value) => JSON.parse(JSON.stringify(value)) as Record<string, unknown>);

const written = (value: unknown) =>
  fc.array(fc.nat(1000), { minLength: 64, maxLength: 64 }).map((numbers) => {
    let at = 0;
    return Buffer.from(write(value, () => numbers[at++ % numbers.length]!));
  });

const objectText = plainObject.chain((value) => written(value).map((bytes) => ({ value, bytes })));

const text = (bytes: Uint8Array): unknown => JSON.parse(Buffer.from(bytes).toString());

describe('splice', () => {
  test('finds every member of any object, with the value JSON.parse would give it', () => {
    fc.assert(
      fc.property(objectText, ({ value, bytes }) => {
        const found: Record<string, unknown> = Object.create(null);
        const end = forEachMember(bytes, 0, bytes.length, (key, valueStart, valueEnd) => {
          found[keyText(bytes, key)] = text(bytes.subarray(valueStart, valueEnd));
        });
        assert.equal(end, bytes.lastIndexOf('}'));
        assert.deepEqual({ ...found }, { ...value });
        for (const key of Object.keys(value)) {
          const range = findValue(bytes, 0, bytes.length, key);
          assert.deepEqual(text(bytes.subarray(range!.start, range!.end)), value[key]);
        }
      }),
      RUNS,
    );
  });

  test('walks every element of any array', () => {
    fc.assert(
      fc.property(
        fc.array(fc.jsonValue()).chain((value) => written(value).map((bytes) => ({ value, bytes }))),
        ({ value, bytes }) => {
          const found: unknown[] = [];
          forEachElement(bytes, 0, bytes.length, (start, end) => {
            found.push(text(bytes.subarray(start, end)));
          });
          assert.deepEqual(found, JSON.parse(JSON.stringify(value)));
        },
      ),
      RUNS,
    );
  });

  test('replaces, adds and removes members like an object would', () => {
    fc.assert(
      fc.property(objectText, plainObject, fc.array(fc.string()), ({ value, bytes }, patch, names) => {
        const merged = mergeObjects(bytes, Buffer.from(JSON.stringify(patch)));
        assert.deepEqual(text(merged), JSON.parse(JSON.stringify(Object.assign({ ...value }, patch))));
        const gone = [...names, ...Object.keys(value).filter((_, i) => i % 2 === 0)];
        const left = Object.fromEntries(Object.entries(value).filter(([key]) => !gone.includes(key)));
        assert.deepEqual({ ...(text(withoutMembers(bytes, 0, bytes.length, gone)) as object) }, left);
      }),
      RUNS,
    );
  });

  test('removes members at the front, in the middle, at the end and all of them', () => {
    const bytes = Buffer.from('{"a":1,"b":[2],"c":"3","d":4}');
    const without = (...names: string[]) => withoutMembers(bytes, 0, bytes.length, names).toString();
    assert.equal(without('a'), '{"b":[2],"c":"3","d":4}');
    assert.equal(without('a', 'b'), '{"c":"3","d":4}');
    assert.equal(without('b', 'c'), '{"a":1,"d":4}');
    assert.equal(without('d'), '{"a":1,"b":[2],"c":"3"}');
    assert.equal(without('a', 'd'), '{"b":[2],"c":"3"}');
    assert.equal(without('a', 'c'), '{"b":[2],"d":4}');
    assert.equal(without('a', 'b', 'c', 'd'), '{}');
    assert.equal(without('x'), bytes.toString());
  });

  test('leaves every other byte untouched, numbers of any size included', () => {
    const bytes = Buffer.from('{ "big": 123456789012345678901234567890.000e-1 ,"x":1, "esc":"\\u00e9\\/" }');
    assert.equal(
      withMembers(bytes, [['x', Buffer.from('[2]')]]).toString(),
      '{ "big": 123456789012345678901234567890.000e-1 ,"x":[2], "esc":"\\u00e9\\/" }',
    );
    assert.equal(
      withMembers(bytes, [['y', Buffer.from('2')]]).toString(),
      '{ "big": 123456789012345678901234567890.000e-1 ,"x":1, "esc":"\\u00e9\\/" ,"y":2}',
    );
    assert.equal(withMembers(Buffer.from('{}'), [['y', Buffer.from('2')]]).toString(), '{"y":2}');
    assert.equal(splice(bytes, 2, 7, []).toString(), '"big"');
  });

  test('is not fooled by braces, quotes and keys inside strings', () => {
    const bytes = Buffer.from('{"content":"}]\\"id\\":\\"1\\"\\\\","embeds":[{"id":"2"}],"id":"3"}');
    const [id, missing] = findValues(bytes, 0, bytes.length, ['id', 'nope']);
    assert.equal(idOf(bytes, id), '3');
    assert.equal(missing, undefined);
  });

  test('finds a key that is written with escapes', () => {
    const bytes = Buffer.from('{"i\\u0064":7}');
    assert.equal(numberOf(bytes, findValue(bytes, 0, bytes.length, 'id')), 7);
  });

  test('reads ids from strings and numbers and nothing else', () => {
    const bytes = Buffer.from('{"a":"12","b":34,"c":null,"d":{}}');
    const id = (name: string) => idOf(bytes, findValue(bytes, 0, bytes.length, name));
    assert.deepEqual(
      [id('a'), id('b'), id('c'), id('d'), id('e')],
      ['12', '34', undefined, undefined, undefined],
    );
  });

  test('refuses what is cut short or is not the expected kind', () => {
    for (const broken of ['{"a":', '{"a"', '{"a":1', '{"a":1,', '{a:1}', '[1]', '', '{"a" 1}', '{"a":"x'])
      assert.throws(
        () => forEachMember(Buffer.from(broken), 0, broken.length, () => {}),
        SpliceError,
        broken,
      );
    for (const broken of ['[1', '[1,', '[1 2]', '{}', '[', '["x'])
      assert.throws(
        () => forEachElement(Buffer.from(broken), 0, broken.length, () => {}),
        SpliceError,
        broken,
      );
  });

  test('never reads beyond the end it is given', () => {
    fc.assert(
      fc.property(objectText, fc.nat(), ({ bytes }, cut) => {
        const end = cut % bytes.length;
        try {
          const after = skipValue(bytes, 0, end);
          assert.ok(after <= end);
        } catch (error) {
          assert.ok(error instanceof SpliceError);
        }
      }),
      RUNS,
    );
  });
});
