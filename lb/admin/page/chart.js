// A line of the last values as an SVG, with its peak and its last value in
// words.

const SVG = 'http://www.w3.org/2000/svg';
const WIDTH = 240;
const HEIGHT = 40;
export const SAMPLES = 60;

function svg(name, attributes) {
  const node = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) {
    node.setAttribute(key, value);
  }
  return node;
}

export class Chart {
  // `words` makes a text of a value: "12 connections/s".
  constructor(kind, words) {
    this.words = words;
    this.values = [];
    this.node = document.createElement('figure');
    this.caption = document.createElement('figcaption');
    this.picture = svg('svg', {
      class: 'chart', viewBox: `0 0 ${WIDTH} ${HEIGHT}`,
      preserveAspectRatio: 'none', role: 'img',
    });
    this.line = svg('polyline', {
      class: kind, points: '', 'vector-effect': 'non-scaling-stroke',
    });
    const base = svg('line', {
      x1: 0, y1: HEIGHT - 1, x2: WIDTH, y2: HEIGHT - 1,
      'vector-effect': 'non-scaling-stroke',
    });
    this.picture.append(base, this.line);
    this.node.append(this.caption, this.picture);
  }

  add(value) {
    this.values.push(value);
    if (this.values.length > SAMPLES) this.values.shift();
    const peak = Math.max(...this.values);
    const step = WIDTH / (SAMPLES - 1);
    const from = SAMPLES - this.values.length;
    this.line.setAttribute('points', this.values.map((one, i) => {
      const y = HEIGHT - 1 - (peak > 0 ? one / peak : 0) * (HEIGHT - 3);
      return `${((from + i) * step).toFixed(1)},${y.toFixed(1)}`;
    }).join(' '));
    const text = `${this.words(value)}, peak ${this.words(peak)}`;
    this.caption.textContent = text;
    this.picture.setAttribute('aria-label', text);
  }
}
