// Repeatable noise: a number or a text for a place in the world, without keeping it. The world is too large to hold
// (16,400 guilds of 30 KB), so everything that nobody has changed is computed when asked for.

/** A 32-bit number that depends on all three arguments. */
export function noise(seed: number, a: number, b: number): number {
  let mixed = (Math.imul(seed ^ 0x9e3779b9, 0x85ebca6b) ^ Math.imul(a + 1, 0xc2b2ae35)) >>> 0;
  mixed = Math.imul(mixed ^ (mixed >>> 15) ^ Math.imul(b + 1, 0x27d4eb2f), 0x2c1b3c6d);
  mixed = Math.imul(mixed ^ (mixed >>> 13), 0x297a2d39);
  return (mixed ^ (mixed >>> 16)) >>> 0;
}

/** The same as a fraction in [0, 1). */
export function fraction(seed: number, a: number, b: number): number {
  return noise(seed, a, b) / 4_294_967_296;
}

/** 32 hex characters, as image hashes have. */
export function imageHash(seed: number, a: number, b: number): string {
  let text = '';
  for (let i = 0; i < 4; i++)
    text += noise(seed + i, a, b)
      .toString(16)
      .padStart(8, '0');
  return text;
}

const ADJECTIVES =
  'amber brave calm dusty eager faint gentle hollow ivory jolly keen lunar mellow noble olive proud quiet rustic silent tidy umber vivid wild young zesty crimson silver wooden copper frozen hidden lucky'.split(
    ' ',
  );
const NOUNS =
  'otter badger comet dragon ember falcon goblin harbor island jester kraken lantern meadow nomad oracle pirate quarry raven sparrow tower urchin valley walrus yonder zephyr anvil beacon castle druid forge garden hermit'.split(
    ' ',
  );
const WORDS =
  'roll dice tonight after the party session who brings maps again shall we start at eight I think that natural twenty was luck my wizard needs rest before dungeon door trap gold silver ring quest inn tavern bridge troll what a hit critical miss next round initiative please nice one haha wait really yes no maybe later'.split(
    ' ',
  );

/** Two words, as in `amber otter`. */
export function pairOfWords(value: number, separator: string): string {
  return `${ADJECTIVES[value % ADJECTIVES.length]}${separator}${NOUNS[(value >>> 8) % NOUNS.length]}`;
}

/** A sentence of about so many characters. */
export function sentence(value: number, chars: number): string {
  let text = '';
  for (let i = 0; text.length < chars; i++) {
    const word = WORDS[noise(value, i, 7) % WORDS.length]!;
    text += text === '' ? word : ` ${word}`;
  }
  return text;
}
