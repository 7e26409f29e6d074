// Asks the unit every two seconds and shows what it says; gives it orders, each
// once it was confirmed.

import {count, Keyed, localTime, make, setClass, setText}
  from '/page/format.js';
import {Services} from '/page/services.js';

const PERIOD_MS = 2000;
const PATIENCE_MS = 8000;
const EVENTS_MAX = 100;
const ICONS = {
  NONE: ['', 'no pair'],
  GREEN_A: ['A', 'Active'],
  GREEN: ['', 'Standby, can take over'],
  RED: ['', 'Offline or not paired'],
  BLUE: ['', 'Pacified'],
  GREY: ['?', 'Indeterminate'],
};

const $ = (id) => document.getElementById(id);
let revisions = [];
let generation = null;
let lastTime = null;

// Not by a relative URL: fetch() takes none on a page whose own address has a
// user in it.
async function ask(path, options = {}) {
  const reply = await fetch(new URL(path, location.origin), {
    cache: 'no-store', credentials: 'same-origin',
    signal: AbortSignal.timeout(PATIENCE_MS), ...options,
  });
  const type = reply.headers.get('Content-Type') || '';
  const body = type.startsWith('application/json') ? await reply.json() : {};
  if (!reply.ok) throw new Error(body.error || `the unit says ${reply.status}`);
  return body;
}

function showTrouble(text) {
  setText($('trouble'), text);
  $('trouble').hidden = !text;
}

// Whether it is to be done.
function confirmed(title, explanation) {
  const dialog = $('ask');
  setText($('ask-text'), `${title} ${explanation}`);
  dialog.returnValue = 'no';
  dialog.showModal();
  $('ask-no').focus();
  return new Promise((resolve) => {
    const closed = () => {
      if (dialog.open) return;  // An earlier question's, late.
      dialog.removeEventListener('close', closed);
      resolve(dialog.returnValue === 'yes');
    };
    dialog.addEventListener('close', closed);
  });
}

async function order(path, title, explanation, body) {
  if (!await confirmed(title, explanation)) return;
  try {
    await ask(path, {
      method: 'POST', body: JSON.stringify(body),
      headers: {'Content-Type': 'application/json', 'X-Ballast-Request': '1'},
    });
    setText($('done'), `Done: ${title.replace(/\?$/, '')}.`);
    showTrouble('');
    await refresh();
  } catch (error) {
    setText($('done'), '');
    showTrouble(`${title.replace(/\?$/, '')}: ${error.message}`);
  }
}

const services = new Services($('services'), (title, explanation, body) =>
  order('/v1/server', title, explanation, body));

const drops = new Keyed($('drops'), () => {
  const view = {name: make('th', {scope: 'row'}),
    count: make('td', {class: 'number'})};
  view.node = make('tr', {}, view.name, view.count);
  return view;
}, (view, drop) => {
  setText(view.name, drop.name.replaceAll('_', ' '));
  setText(view.count, count(drop.count));
});

const log = new Keyed($('log'), (event) => {
  const node = make('li', {}, make('time', {datetime: event.time},
      localTime(event.time)), event.text);
  return {node};
}, () => {});

function showUnitIcon(id, icon, reason) {
  const [letter, words] = ICONS[icon] || ICONS.GREY;
  setText($(`${id}-icon`), letter);
  setClass($(`${id}-icon`), `icon ${icon}`);
  $(`${id}-icon`).setAttribute('role', 'img');
  $(`${id}-icon`).setAttribute('aria-label', words);
  // Of a sound unit the reason begins with what it is.
  setText($(`${id}-text`), icon.startsWith('GREEN')
      ? reason.charAt(0).toUpperCase() + reason.slice(1)
      : `${words}: ${reason}`);
}

function showPair(pair, role) {
  $('pair').hidden = !pair.configured;
  if (!pair.configured) return;
  showUnitIcon('own', pair.icon, pair.icon_reason);
  showUnitIcon('partner', pair.partner_icon, pair.partner_icon_reason);
  const table = pair.role === 'active' ? ''
      : pair.complete ? 'The table is complete' : 'The table is not complete';
  setText($('sync'), [
    pair.plain ? 'The partner is of another make: its table is not known'
        : table,
    !pair.plain && pair.role !== 'active'
        ? `${count(pair.lag)} datagrams behind` : '',
    `${count(pair.role_changes)} role changes`,
  ].filter(Boolean).join(' · '));
  $('switchover').hidden = role !== 'ADMIN' || pair.role !== 'active';
  $('force-update').hidden =
      role !== 'ADMIN' || pair.role !== 'active' || pair.plain;
}

function showDrops(status) {
  const all = [
    ...status.dropped_frames,
    {name: 'lost_in_the_kernel_before_us', count: status.kernel_receive_dropped},
    {name: 'not_taken_by_the_kernel', count: status.kernel_send_refused},
    ...status.services.flatMap((service) => service.limited.map((one) =>
      ({name: `${service.name || service.id}: limit ${one.name}`,
        count: one.count}))),
    ...status.pair.refused_messages.map((one) =>
      ({name: `message_of_the_pair: ${one.name}`, count: one.count})),
  ].filter((one) => Number(one.count) > 0);
  drops.show(all, (one) => one.name);
  $('drops').parentElement.hidden = all.length === 0;
  $('no-drops').hidden = all.length > 0;
}

function showLog(pair) {
  const changes = pair.last_role_changes.map((one, i) => ({
    // Counted from the first, a change keeps its number; its time may move by
    // a millisecond.
    key: `role ${pair.role_changes - i}`, time: one.time,
    text: `Role ${one.from} → ${one.to}: ${one.reason}` +
        (one.incomplete ? ', without all of the table' : ''),
  }));
  const accepted = revisions.map((one) => ({
    key: `configuration ${one.generation} ${one.time} ${one.what}`,
    time: one.time,
    text: `Configuration ${one.generation}` +
        `${one.user ? ` by ${one.user}` : ''}` +
        `${one.from ? ` from ${one.from}` : ''}: ${one.what}`,
  }));
  const events = [...changes, ...accepted]
      .sort((a, b) => Date.parse(b.time) - Date.parse(a.time))
      .slice(0, EVENTS_MAX);
  log.show(events, (one) => one.key);
  $('no-log').hidden = events.length > 0;
}

async function refresh() {
  const status = await ask('/v1/status');
  if (status.generation !== generation) {
    revisions = (await ask('/v1/history')).revisions;
    generation = status.generation;
  }
  lastTime = status.time;
  const active = status.active ? 'serving' : 'not serving';
  const connections = status.services.reduce((sum, service) =>
    sum + Number(service.traffic.active_connections), 0);
  setText($('unit'), `${active} · ${count(connections)} connections · ` +
      `configuration ${status.generation} · ${status.user}, ` +
      `${status.role.toLowerCase()}`);
  showPair(status.pair, status.role);
  services.show(status.services, status.role !== 'VIEWER');
  $('no-services').hidden = status.services.length > 0;
  showDrops(status);
  showLog(status.pair);
  document.body.classList.remove('stale');
}

async function poll() {
  try {
    if (!document.hidden || lastTime === null) {
      await refresh();
      if (document.body.dataset.lost) showTrouble('');
      delete document.body.dataset.lost;
    }
  } catch (error) {
    document.body.classList.add('stale');
    document.body.dataset.lost = '1';
    showTrouble(`No answer: ${error.message}. ` + (lastTime === null ? ''
        : `What is shown is of ${localTime(lastTime)}.`));
  }
  setTimeout(poll, PERIOD_MS);
}

$('switchover').addEventListener('click', () => order('/v1/switchover',
    'Switch over?', 'The partner becomes active and serves.', {}));
$('force-update').addEventListener('click', () => order('/v1/force-update',
    'Update the partner?', 'It gets this unit’s configuration now.', {}));
poll();
