// Numbers, times and small DOM helpers.

// 64-bit numbers come as strings.
export function count(text) {
  return Number(text).toLocaleString('en');
}

export function short(value) {
  for (const [unit, size] of [['G', 1e9], ['M', 1e6], ['k', 1e3]]) {
    if (value >= size) return `${(value / size).toPrecision(3)} ${unit}`;
  }
  return `${Math.round(value * 10) / 10} `;
}

export function localTime(text) {
  const time = new Date(text);
  return Number.isNaN(time.getTime()) ? text : time.toLocaleString();
}

// Sets only what changes, so that nothing moves under a finger or a reader.
export function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

export function setClass(node, name) {
  if (node.className !== name) node.className = name;
}

export function make(name, attributes = {}, ...children) {
  const node = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    node.setAttribute(key, value);
  }
  node.append(...children);
  return node;
}

// Children of `parent` by key: kept, made with `create` or removed, in the
// order of `items`; each then gets `update`.
export class Keyed {
  constructor(parent, create, update) {
    this.parent = parent;
    this.create = create;
    this.update = update;
    this.views = new Map();
  }

  show(items, keyOf) {
    const old = this.views;
    this.views = new Map();
    let place = this.parent.firstElementChild;
    for (const item of items) {
      const key = keyOf(item);
      if (this.views.has(key)) continue;
      const view = old.get(key) || this.create(item);
      old.delete(key);
      this.views.set(key, view);
      if (view.node === place) {
        place = place.nextElementSibling;
      } else {
        this.parent.insertBefore(view.node, place);
      }
      this.update(view, item);
    }
    for (const view of old.values()) view.node.remove();
  }
}
