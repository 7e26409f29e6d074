// Virtual services and their servers.

import {Chart} from '/page/chart.js';
import {count, Keyed, make, setClass, setText, short} from '/page/format.js';

const ORDERS = {
  drain: ['Drain', 'enabled',
    'gets nothing new but from clients that persist; open connections go on'],
  disable: ['Disable', 'enabled', 'gets nothing new; open connections go on'],
  enable: ['Enable', 'disabled', 'takes new connections again'],
};
const COLUMNS = ['Server', 'State', 'Weight', 'Slots', 'Active', 'Rate',
  'Orders'];

function serverKey(server) {
  return [server.sub_service, server.id, server.kind].join(' ');
}

function stateOf(server) {
  if (server.kind === 'removed') return ['removed', 'quiet'];
  const up = server.up ? 'up' : 'down';
  if (server.state !== 'enabled') return [`${server.state}, ${up}`, 'warn'];
  return [up, server.up ? 'good' : 'bad'];
}

export class Services {
  // order(title, explanation, body): asks, then sends.
  constructor(parent, order) {
    this.order = order;
    this.mayOrder = false;
    this.services = new Keyed(parent, (service) => this.makeService(service),
        (view, service) => this.updateService(view, service));
  }

  show(services, mayOrder) {
    this.mayOrder = mayOrder;
    this.services.show(services, (service) => service.id);
  }

  makeService(service) {
    const view = {
      title: make('h3'), state: make('span'), how: make('span',
          {class: 'quiet'}), refused: make('span', {class: 'quiet'}),
    };
    const requests = service.layer7;
    view.rate = new Chart('connections', (value) =>
      `${short(value)}${requests ? 'requests' : 'connections'}/s`);
    view.bytes = new Chart('bytes', (value) => `${short(value * 8)}bit/s`);
    const body = make('tbody');
    const table = make('table', {class: 'servers'},
        make('caption', {class: 'quiet', hidden: ''}, 'Real servers'),
        make('thead', {}, make('tr', {}, ...COLUMNS.map((column) => make('th',
            {'scope': 'col', 'data-label': column}, column)))), body);
    view.servers = new Keyed(body, () => this.makeServer(),
        (row, server) => this.updateServer(row, service.id, server));
    view.table = table;
    view.node = make('article', {class: 'service', 'data-service': service.id},
        make('div', {class: 'head'}, view.title, view.state, view.how,
            view.refused),
        make('div', {class: 'charts'}, view.rate.node, view.bytes.node), table);
    return view;
  }

  updateService(view, service) {
    setText(view.title,
        service.name ? `${service.name} · ${service.id}` : service.id);
    setText(view.state, !service.enabled ? 'disabled'
        : service.up ? 'up' : 'down');
    setClass(view.state, !service.enabled ? 'warn'
        : service.up ? 'good' : 'bad');
    setText(view.how, [service.layer7 ? 'layer 7' : 'layer 4',
      service.schedule, service.fill.toLowerCase()].filter(Boolean).join(', '));
    setText(view.refused, Number(service.refused) > 0
        ? `${count(service.refused)} refused` : '');
    view.rate.add(service.layer7 ? service.traffic.requests_per_second
        : service.traffic.connections_per_second);
    view.bytes.add(service.traffic.bytes_per_second);
    view.table.classList.toggle('no-slots', !service.fill);
    view.servers.show(service.servers, serverKey);
  }

  makeServer() {
    const cells = {};
    for (const column of COLUMNS.slice(1)) {
      cells[column] = make('td', {'data-label': column});
    }
    setClass(cells.Orders, 'orders');
    const row = {
      name: make('th', {scope: 'row'}), cells,
      state: make('span'), reason: make('small', {class: 'quiet'}),
      share: make('span'), meter: make('meter', {min: 0, max: 4096}),
      buttons: {},
    };
    cells.State.append(row.state, row.reason);
    row.node = make('tr', {}, row.name, ...Object.values(cells));
    return row;
  }

  updateServer(row, service, server) {
    row.node.dataset.server = server.id;
    setText(row.name, [server.sub_service, server.name, server.id,
      server.kind === 'sorry' ? '(sorry server)' : '']
        .filter(Boolean).join(' '));
    const [state, kind] = stateOf(server);
    setText(row.state, state);
    setClass(row.state, `state ${kind}`);
    setText(row.reason, server.reason);
    setText(row.cells.Weight, String(server.weight));
    this.updateSlots(row, server.slots);
    setText(row.cells.Active, count(server.traffic.active_connections));
    setText(row.cells.Rate, server.traffic.requests_per_second > 0
        ? `${short(server.traffic.requests_per_second)}requests/s`
        : `${short(server.traffic.connections_per_second)}new/s`);
    this.updateOrders(row, service, server);
  }

  updateSlots(row, slots) {
    if (!slots) {
      row.cells.Slots.replaceChildren();
      return;
    }
    if (!row.share.isConnected) {
      row.cells.Slots.append(row.share, row.meter);
    }
    setText(row.share, `${(slots.slots / 40.96).toFixed(1)} %` +
        (slots.starved
          ? `, starved: fair is ${(slots.fair_slots / 40.96).toFixed(1)} %`
          : ''));
    setClass(row.share, slots.starved ? 'warn' : '');
    row.meter.value = slots.slots;
    row.meter.setAttribute('aria-label', `${slots.slots} of 4096 slots`);
  }

  updateOrders(row, service, server) {
    const enabled = server.state === 'enabled';
    for (const [state, [word, when, effect]] of Object.entries(ORDERS)) {
      const fits = this.mayOrder && server.kind === 'real' &&
          (when === 'enabled') === enabled;
      const button = row.buttons[state];
      if (!fits) {
        if (button) button.remove();
        delete row.buttons[state];
        continue;
      }
      if (button) continue;
      row.buttons[state] = make('button', {
        type: 'button', 'data-order': state,
        'aria-label': `${word} ${server.id} of ${service}`,
      }, word);
      row.buttons[state].addEventListener('click', () => this.order(
          `${word} server ${server.id} of ${service}?`, `It ${effect}.`,
          {service, sub_service: server.sub_service, server: server.id,
            state}));
      row.cells.Orders.append(row.buttons[state]);
    }
  }
}
