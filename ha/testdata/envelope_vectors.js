// Makes envelope_vectors.txt from the description in ha/envelope.h, with
// Node's crypto (OpenSSL) and none of our code. Run by hand, Node 15 or later:
//
//   node ha/testdata/envelope_vectors.js > ha/testdata/envelope_vectors.txt
'use strict';
const crypto = require('crypto');

const sha256 = (...parts) => {
  const hash = crypto.createHash('sha256');
  for (const part of parts) hash.update(part);
  return hash.digest();
};

function header({ key, type, virtualId, unit, boot, sequence }) {
  const bytes = Buffer.alloc(32);
  bytes.write('BLS', 0, 'latin1');
  bytes.writeUInt8(1, 3);
  bytes.writeUInt8(type, 4);
  bytes.writeUInt8(virtualId, 5);
  bytes.writeUInt16BE(unit, 6);
  bytes.writeBigUInt64BE(boot, 8);
  bytes.writeBigUInt64BE(sequence, 16);
  sha256(key).copy(bytes, 24, 0, 4);
  return bytes;
}

function seal(message) {
  const head = header(message);
  const derived = Buffer.from(crypto.hkdfSync(
    'sha256', message.key, head.subarray(0, 16), 'ballast envelope 1', 32));
  const nonce = Buffer.concat([Buffer.alloc(4), head.subarray(16, 24)]);
  const cipher = crypto.createCipheriv('aes-256-gcm', derived, nonce);
  cipher.setAAD(head);
  const body = Buffer.concat([cipher.update(message.payload), cipher.final()]);
  return Buffer.concat([head, body, cipher.getAuthTag()]);
}

function payload(label, size) {
  const parts = [];
  for (let i = 0; 32 * i < size; ++i) parts.push(sha256(`${label} ${i}`));
  return Buffer.concat(parts).subarray(0, size);
}

const key1 = sha256('vector key 1');
const key2 = sha256('vector key 2');
const first = { virtualId: 51, unit: 1, boot: 0x0123456789abcdefn };
const second = { virtualId: 51, unit: 2, boot: 0xfedcba9876543210n };
const far = { virtualId: 255, unit: 65535, boot: 0xffffffffffffffffn };

// A unit that seals the "seal" lines in the order of the file arrives at these
// sequences: an advert's is above all before it, all after it are above its.
// "open" lines begin elsewhere.
const messages = [
  ['seal', key1, first, 1, 1n, 76],
  ['seal', key1, first, 1, 2n, 76],
  ['seal', key1, first, 2, 3n, 1],
  ['seal', key1, first, 3, 3n, 0],
  ['seal', key1, first, 2, 4n, 15],
  ['seal', key1, first, 2, 5n, 16],
  ['seal', key1, first, 2, 6n, 17],
  ['seal', key1, first, 1, 7n, 76],
  ['seal', key1, first, 3, 8n, 5],
  ['seal', key1, second, 1, 1n, 76],
  ['seal', key1, second, 3, 2n, 1400],
  ['seal', key2, first, 1, 1n, 76],
  ['seal', key2, far, 2, 1n, 33],
  ['open', key1, first, 2, 0x100000005n, 40],
  ['open', key2, far, 1, 0xffffffffffffffffn, 76],
];
const lines = messages.map(([how, key, who, type, sequence, size], i) => {
  const message = { key, ...who, type, sequence, payload: payload(i, size) };
  return [how, key.toString('hex'), type, who.virtualId, who.unit,
    who.boot.toString(16).padStart(16, '0'), sequence,
    message.payload.toString('hex') || '-', seal(message).toString('hex'),
  ].join(' ');
});
console.log([
  '# Made by envelope_vectors.js. One message a line:',
  '# how key type virtual_id unit boot sequence payload envelope',
  ...lines,
].join('\n'));
