"use strict";
(() => {
  // Everything a peer sent is data: it is put on the page as text only, never as markup.
  const data = JSON.parse(document.getElementById("data").textContent);
  const { head, entries } = data;
  const byId = (id) => document.getElementById(id);
  const picture = byId("picture"), canvas = byId("canvas"), lanesBox = byId("lanes"), detail = byId("detail");
  const overview = byId("overview"), search = byId("search"), select = byId("connection");
  const SVG = "http://www.w3.org/2000/svg";
  const GUTTER = 150, TOP = 16, ROW = 24, TEXT_ROW = 13, TALLEST = 8000000, HEX_ROW = 16;
  const byNumber = new Map(entries.map((entry) => [entry.number, entry]));
  const last = entries.length ? entries[entries.length - 1].time_us || 0 : 0;

  const state = { byTime: false, zoom: { false: 1, true: 1 }, chosen: null, hidden: new Set(), shown: [], arranged: [], places: [] };
  let lanes = [], laneOf = new Map(), textX = 0, exchange = new Set();

  // --- Small helpers ---------------------------------------------------------------------------------------------
  const element = (name, text, className) => {
    const made = document.createElement(name);
    if (text !== undefined) made.textContent = text;
    if (className) made.className = className;
    return made;
  };
  const shape = (name, attributes, text) => {
    const made = document.createElementNS(SVG, name);
    for (const key in attributes) made.setAttribute(key, attributes[key]);
    if (text !== undefined) made.textContent = text;
    return made;
  };
  const span = (us) => us < 1000 ? `${us} µs` : us < 1000000 ? `${(us / 1000).toFixed(2)} ms` : `${(us / 1000000).toFixed(3)} s`;
  const seconds = (us) => (us / 1000000).toFixed(6);
  const cut = (text, most) => text.length > most ? text.slice(0, most - 1) + "…" : text;

  // --- Search ----------------------------------------------------------------------------------------------------
  const topicMatches = (filter, name) => {
    const wanted = filter.split("/"), levels = name.split("/");
    if (name.startsWith("$") && /^[+#]/.test(filter)) return false;
    for (let at = 0; at < wanted.length; at++) {
      if (wanted[at] === "#") return true;
      if (at >= levels.length || (wanted[at] !== "+" && wanted[at] !== levels[at])) return false;
    }
    return wanted.length === levels.length;
  };
  const isAbout = (entry, filter) => {
    const packet = entry && entry.packet;
    if (!packet) return false;
    if (packet.topic_name !== undefined && topicMatches(filter, packet.topic_name)) return true;
    return (packet.topic_filters || []).some((it) => (it.topic_filter || it) === filter);
  };
  const haystack = (entry) => {
    if (entry.haystack === undefined) {
      const value = { kind: entry.kind, line: entry.line, packet: entry.packet, text: entry.text, error: entry.error, detail: entry.detail };
      Object.defineProperty(entry, "haystack", { value: JSON.stringify(value).toLowerCase() });
    }
    return entry.haystack;
  };
  const condition = (word) => {
    const [, key, value] = /^(topic|type|id|c):(.+)$/i.exec(word) || [];
    switch (key && key.toLowerCase()) {
      case "topic": return (entry) => isAbout(entry, value) || isAbout(byNumber.get(entry.exchange), value);
      case "type": return (entry) => entry.kind.toLowerCase() === value.toLowerCase();
      case "id": return (entry) => !!entry.packet && entry.packet.packet_identifier === Number(value);
      case "c": return (entry) => entry.connection === Number(value);
      default: return (entry) => haystack(entry).includes(word.toLowerCase());
    }
  };

  // --- What is shown, and where ----------------------------------------------------------------------------------
  const filter = () => {
    const conditions = search.value.split(/\s+/).filter(Boolean).map(condition);
    const connection = Number(select.value);
    state.shown = entries.filter((entry) =>
      !state.hidden.has(entry.kind) && (!connection || entry.connection === connection || !entry.connection) &&
      conditions.every((holds) => holds(entry)));
    byId("count").textContent = state.shown.length === entries.length
      ? `${entries.length} entries` : `${state.shown.length} of ${entries.length}`;
    keeping(() => {});
  };

  // Changes how things are arranged; the chosen entry, or else the one in the middle, stays where it was on the screen.
  const keeping = (change) => {
    const y = (entry) => { const at = state.arranged.indexOf(entry); return at < 0 ? undefined : state.places[at] - picture.scrollTop; };
    const isSeen = (at) => at !== undefined && at >= 0 && at <= picture.clientHeight;
    const middle = state.arranged[Math.min(state.arranged.length - 1, firstAt(picture.scrollTop + picture.clientHeight / 2))];
    const anchor = state.chosen && (isSeen(y(state.chosen)) || !middle) ? state.chosen : middle;
    const before = anchor ? y(anchor) : undefined;
    change();
    arrange();
    const after = state.shown.indexOf(anchor);
    if (after < 0) picture.scrollTop = 0;
    else if (before !== undefined) picture.scrollTop = state.places[after] - before;
  };

  const arrangeLanes = () => {
    const used = new Set(state.shown.map((entry) => entry.connection).filter(Boolean));
    const clients = new Map(), servers = new Map();
    laneOf = new Map();
    const lane = (map, key, name, detail) => {
      if (!map.has(key)) map.set(key, { name, detail, x: 0 });
      return map.get(key);
    };
    head.connections.forEach((connection, index) => {
      if (used.size && !used.has(index + 1)) return;
      const id = connection.client_identifier;
      const client = lane(clients, id || connection.client, id || "client", id ? "" : connection.client);
      if (id) client.detail = client.detail && client.detail !== connection.client ? "several connections" : connection.client;
      laneOf.set(index + 1, { client, server: lane(servers, connection.server, "server", connection.server) });
    });
    lanes = [...clients.values(), ...servers.values()];
    const room = Math.max(320, picture.clientWidth - GUTTER - 420);
    const step = lanes.length > 1 ? Math.max(120, Math.min(300, room / (lanes.length - 1))) : 200;
    lanes.forEach((lane, index) => { lane.x = GUTTER + 70 + index * step; });
    textX = GUTTER + 70 + Math.max(0, lanes.length - 1) * step + 40;
    lanesBox.replaceChildren(...lanes.map((lane) => {
      const box = element("div", undefined, "lane");
      box.append(element("b", cut(lane.name, 40)), element("small", lane.detail));
      box.title = `${lane.name} ${lane.detail}`;
      box.style.left = `${lane.x}px`;
      box.style.width = `${Math.max(80, step - 8)}px`;
      return box;
    }));
  };

  const arrange = () => {
    arrangeLanes();
    const zoom = state.zoom[state.byTime];
    const count = state.shown.length;
    let height = Math.min(TALLEST, Math.max(1, count) * ROW * zoom);
    if (state.byTime && last) {
      const scale = height / last;
      state.places = state.shown.map((entry) => TOP + (entry.time_us || 0) * scale);
    } else {
      state.places = state.shown.map((_, index) => TOP + (index + 0.5) * height / Math.max(1, count));
    }
    state.arranged = state.shown;
    canvas.style.height = `${height + 2 * TOP}px`;
    const width = textX + 900;
    canvas.style.width = `${width}px`;
    lanesBox.style.width = `${width}px`;
    byId("zoom").textContent = `${Math.round(zoom * 100)} %`;
    byId("by-row").setAttribute("aria-pressed", String(!state.byTime));
    byId("by-time").setAttribute("aria-pressed", String(state.byTime));
    draw();
    drawOverview();
  };

  const firstAt = (y) => {
    let low = 0, high = state.places.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (state.places[middle] < y) low = middle + 1; else high = middle;
    }
    return low;
  };

  // --- Drawing: only what can be seen ----------------------------------------------------------------------------
  let scheduled = false;
  const draw = () => {
    if (scheduled) return;
    scheduled = true;
    requestAnimationFrame(() => { scheduled = false; paint(); });
  };

  const paint = () => {
    const top = Math.max(0, picture.scrollTop - 60), height = picture.clientHeight + 120;
    const width = textX + 900;
    const svg = shape("svg", { width, height });
    svg.style.top = `${top}px`;
    if (state.byTime) ticks(svg, top, height, width);
    for (const lane of lanes) svg.append(shape("line", { class: "life", x1: lane.x, x2: lane.x, y1: 0, y2: height }));
    if (!state.shown.length) svg.append(shape("text", { x: 24, y: 100, class: "faint" }, "Nothing matches."));
    let labelled = -Infinity, drawn = null;
    const isDense = !state.byTime && state.zoom[false] * ROW < 8;
    for (let at = firstAt(top - ROW); at < state.shown.length && state.places[at] < top + height; at++) {
      const entry = state.shown[at], y = state.places[at] - top;
      const isMarked = entry === state.chosen || exchange.has(entry);
      const key = `${Math.round(y)} ${entry.connection} ${entry.sender} ${entry.kind}`;
      if (key === drawn && !isMarked) continue;
      drawn = key;
      const hasText = y - labelled >= TEXT_ROW || entry === state.chosen;
      if (hasText) labelled = y;
      svg.append(row(entry, y, hasText, width, isDense));
    }
    joins(svg, top, height);
    canvas.replaceChildren(svg);
    drawView();
  };

  // Lines across, at round times.
  const ticks = (svg, top, height, width) => {
    const scale = (canvas.clientHeight - 2 * TOP) / (last || 1);
    const least = 60 / scale, power = 10 ** Math.floor(Math.log10(Math.max(1, least)));
    const step = [1, 2, 5, 10].map((it) => it * power).find((it) => it >= least) || power * 10;
    for (let at = Math.max(0, Math.ceil((top - TOP) / scale / step)) * step; at <= last; at += step) {
      const y = TOP + at * scale - top;
      if (y > height) return;
      svg.append(shape("line", { class: "tick", x1: 0, x2: width, y1: y, y2: y }));
      svg.append(shape("text", { class: "tick", x: 4, y: y - 3 }, span(Math.round(at))));
    }
  };

  const row = (entry, y, hasText, width, isDense) => {
    const classes = ["row", entry.sender || (entry.kind === "note" ? "note" : "inside")];
    if (entry.bad || entry.kind === "malformed") classes.push("bad");
    if (entry === state.chosen) classes.push("chosen");
    else if (exchange.has(entry)) classes.push("linked");
    const group = shape("g", { class: classes.join(" ") });
    group.append(shape("rect", { class: "ground", x: 0, y: y - ROW / 2, width, height: hasText ? ROW : 3 }));
    // Its ground covers the life lines.
    if (entry === state.chosen || exchange.has(entry)) {
      for (const lane of lanes) group.append(shape("line", { class: "life", x1: lane.x, x2: lane.x, y1: y - ROW / 2, y2: y + ROW / 2 }));
    }
    const lane = laneOf.get(entry.connection);
    if (hasText) {
      group.append(shape("text", { class: "faint", x: 52, y: y + 4, "text-anchor": "end" }, `#${entry.number}`));
      if (head.timed) group.append(shape("text", { class: "time", x: GUTTER - 4, y: y + 4, "text-anchor": "end" }, seconds(entry.time_us)));
    }
    if (lane && entry.sender) {
      const [from, to] = entry.sender === "client" ? [lane.client.x, lane.server.x] : [lane.server.x, lane.client.x];
      const back = to > from ? -8 : 8;
      group.append(shape("line", { x1: from, x2: to + back / 2, y1: y, y2: y }));
      if (!isDense) group.append(shape("path", { d: `M${to} ${y} l${back} -4.5 v9 z` }));
      if (hasText && !isDense) group.append(shape("text", { class: "name behind", x: (from + to) / 2, y: y + 4, "text-anchor": "middle" }, entry.kind));
    } else if (entry.kind !== "note") {
      const x = lane ? lane.client.x : lanes.length ? lanes[0].x : GUTTER + 20;
      group.append(shape("circle", { cx: x, cy: y, r: 4 }));
      if (hasText) group.append(shape("text", { class: "name behind", x: x + 9, y: y + 4 }, entry.kind));
    }
    if (hasText) {
      const text = shape("text", { class: entry.kind === "note" ? "faint" : "", x: textX, y: y + 4 }, cut(entry.line, 110));
      if (entry.latency_us !== undefined) text.append(shape("tspan", { class: "faint", dx: 8 }, `after ${span(entry.latency_us)}`));
      group.append(text);
    }
    group.addEventListener("click", () => choose(entry, false));
    return group;
  };

  // Curves from each answer of the chosen exchange to what it answers.
  const joins = (svg, top, height) => {
    const at = new Map(state.shown.map((entry, index) => [entry.number, index]));
    if (!exchange.size) return;
    for (const entry of exchange) {
      if (!at.has(entry.number) || !at.has(entry.answers)) continue;
      const y1 = state.places[at.get(entry.answers)] - top, y2 = state.places[at.get(entry.number)] - top;
      if (y2 < -height || y1 > 2 * height) continue;
      const x = textX - 22, bend = Math.min(16, 6 + Math.abs(y2 - y1) / 8);
      svg.append(shape("path", { class: "join", d: `M${x} ${y1} C${x + bend} ${y1} ${x + bend} ${y2} ${x} ${y2}` }));
    }
  };

  const drawOverview = () => {
    const height = overview.clientHeight, width = overview.width;
    overview.height = height;
    const style = getComputedStyle(document.documentElement);
    const color = (name) => style.getPropertyValue(`--${name}`);
    const colors = { client: color("client"), server: color("server"), bad: color("bad"), local: color("local"), faint: color("life") };
    const context = overview.getContext("2d", { willReadFrequently: true }), whole = canvas.clientHeight || 1;
    const mark = (only) => state.shown.forEach((entry, index) => {
      const isBad = entry.bad || entry.kind === "malformed";
      if (isBad !== only) return;
      const y = Math.floor(state.places[index] / whole * height);
      const name = isBad ? "bad" : entry.sender || (entry.kind === "note" ? "faint" : "local");
      context.fillStyle = colors[name];
      context.fillRect(entry.sender === "server" ? width / 2 : 2, y, width / 2 - 2, 1);
    });
    mark(false);
    mark(true);
    overview.image = context.getImageData(0, 0, width, Math.max(1, height));
    drawView();
  };

  const drawView = () => {
    if (!overview.image) return;
    const context = overview.getContext("2d", { willReadFrequently: true }), whole = picture.scrollHeight || 1;
    context.putImageData(overview.image, 0, 0);
    context.globalAlpha = 0.2;
    context.fillStyle = getComputedStyle(document.body).color;
    context.fillRect(0, picture.scrollTop / whole * overview.height, overview.width,
      Math.max(4, picture.clientHeight / whole * overview.height));
    context.globalAlpha = 1;
  };

  // --- One entry in full -----------------------------------------------------------------------------------------
  const choose = (entry, scroll) => {
    state.chosen = entry;
    exchange = new Set();
    if (entry && entry.exchange) {
      for (const other of entries) if (other.exchange === entry.exchange && other !== entry) exchange.add(other);
      exchange.add(entry);
    }
    const at = state.shown.indexOf(entry);
    if (scroll && at >= 0) {
      const y = state.places[at];
      if (y < picture.scrollTop + ROW || y > picture.scrollTop + picture.clientHeight - 3 * ROW) {
        picture.scrollTop = y - picture.clientHeight / 2;
      }
    }
    describe(entry);
    draw();
  };

  const fields = (value) => {
    const list = element("dl");
    for (const [name, field] of Object.entries(value)) {
      list.append(element("dt", name.replaceAll("_", " ")));
      const isNested = field !== null && typeof field === "object";
      if (isNested && Object.values(field).some((it) => it !== null && typeof it === "object")) {
        const inner = Array.isArray(field) ? field.map(fields) : [fields(field)];
        list.append(element("dd", ""), ...inner);
      } else {
        list.append(element("dd", isNested ? Object.entries(field).map(([key, it]) =>
          Array.isArray(field) ? String(it) : `${key.replaceAll("_", " ")}: ${it}`).join("\n") : String(field)));
      }
    }
    return list;
  };

  const link = (number, text) => {
    const button = element("button", text, "link");
    button.type = "button";
    button.addEventListener("click", () => choose(byNumber.get(number), true));
    return button;
  };

  const dump = (hex) => {
    const lines = [];
    for (let at = 0; at < hex.length; at += 2 * HEX_ROW) {
      const bytes = hex.slice(at, at + 2 * HEX_ROW).match(/../g) || [];
      const text = bytes.map((byte) => { const code = parseInt(byte, 16); return code > 31 && code < 127 ? String.fromCharCode(code) : "."; });
      lines.push(`${(at / 2).toString(16).padStart(4, "0")}  ${bytes.join(" ").padEnd(3 * HEX_ROW)} ${text.join("")}`);
    }
    return lines.join("\n");
  };

  const describe = (entry) => {
    detail.replaceChildren();
    const wasOpen = !detail.hidden;
    detail.hidden = !entry;
    if (wasOpen !== !!entry) arrange();
    if (!entry) return;
    const connection = head.connections[entry.connection - 1];
    const close = element("button", "×", "close");
    close.type = "button";
    close.title = "Close (Escape)";
    close.addEventListener("click", () => choose(null));
    detail.append(close, element("h2", `#${entry.number} ${entry.kind}`));
    const facts = {};
    if (head.timed) facts.time = `${seconds(entry.time_us)} s`;
    if (connection) facts.connection = `${entry.connection}: ${connection.client} – ${connection.server}, ${connection.carrier}`;
    if (entry.sender) facts.from = entry.sender;
    if (entry.version) facts.version = entry.version;
    if (entry.size !== undefined) facts.size = `${entry.size} bytes`;
    if (entry.in_flight || entry.in_flight_to_client) facts.in_flight = `${entry.in_flight} from the client, ${entry.in_flight_to_client} from the server`;
    if (entry.queued !== undefined) facts.queued = entry.queued;
    if (entry.statement) facts.statement = entry.statement;
    detail.append(fields(facts));
    if (entry.error) detail.append(element("p", entry.error, "error"));
    const relations = [["answers", "answers", entry.latency_us], ["answered_by", "answered by"], ["repeats", "sent again, before as"]];
    for (const [name, words, latency] of relations) {
      if (!entry[name]) continue;
      const line = element("p", `${words} `);
      const other = byNumber.get(entry[name]);
      line.append(other ? link(entry[name], `#${entry[name]} ${other.kind}`) : `#${entry[name]}`);
      if (latency !== undefined) line.append(` after ${span(latency)}`);
      detail.append(line);
    }
    if (entry.text) detail.append(element("p", entry.text));
    if (entry.packet) detail.append(fields(entry.packet));
    if (entry.detail) detail.append(fields({ detail: entry.detail }));
    if (entry.hex) detail.append(element("pre", dump(entry.hex)));
  };

  // --- Controls --------------------------------------------------------------------------------------------------
  const zoomBy = (factor) => keeping(() => {
    const limit = TALLEST / (ROW * Math.max(1, state.shown.length));
    state.zoom[state.byTime] = Math.max(0.02, Math.min(state.byTime ? limit : 4, state.zoom[state.byTime] * factor));
  });
  const move = (by) => {
    const at = state.shown.indexOf(state.chosen);
    const next = state.shown[Math.max(0, Math.min(state.shown.length - 1, at < 0 ? 0 : at + by))];
    if (next) choose(next, true);
  };
  byId("in").addEventListener("click", () => zoomBy(1.25));
  byId("out").addEventListener("click", () => zoomBy(0.8));
  byId("by-row").addEventListener("click", () => keeping(() => { state.byTime = false; }));
  byId("by-time").addEventListener("click", () => keeping(() => { state.byTime = true; }));
  byId("by-time").disabled = !head.timed;
  picture.addEventListener("wheel", (event) => {
    if (!event.ctrlKey) return;
    event.preventDefault();
    zoomBy(event.deltaY < 0 ? 1.25 : 0.8);
  }, { passive: false });
  picture.addEventListener("scroll", draw);
  let timer;
  search.addEventListener("input", () => { clearTimeout(timer); timer = setTimeout(filter, 120); });
  select.addEventListener("change", filter);
  window.addEventListener("resize", arrange);
  overview.addEventListener("click", (event) => {
    const part = (event.clientY - overview.getBoundingClientRect().top) / overview.clientHeight;
    picture.scrollTop = part * picture.scrollHeight - picture.clientHeight / 2;
  });
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.target === search || event.target === select) {
      if (event.key === "Escape") picture.focus();
      return;
    }
    const actions = { ArrowDown: () => move(1), ArrowUp: () => move(-1), PageDown: () => move(20), PageUp: () => move(-20),
      "+": () => zoomBy(1.25), "-": () => zoomBy(0.8), "/": () => search.focus(), Escape: () => choose(null) };
    if (!actions[event.key]) return;
    event.preventDefault();
    actions[event.key]();
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", drawOverview);

  const option = (value, text) => { const made = element("option", text); made.value = value; return made; };
  select.append(option("0", head.connections.length === 1 ? "1 connection" : `All ${head.connections.length} connections`), ...head.connections.map((connection, index) =>
    option(String(index + 1), cut(`${index + 1}: ${connection.client_identifier || connection.client}`, 50))));
  // Deadlines move all the time.
  if (entries.some((entry) => entry.kind === "timer")) state.hidden.add("timer");
  const counts = new Map();
  for (const entry of entries) counts.set(entry.kind, (counts.get(entry.kind) || 0) + 1);
  byId("kinds").append(...[...counts].map(([kind, count]) => {
    const button = element("button", `${kind} ${count}`);
    button.type = "button";
    button.setAttribute("aria-pressed", String(!state.hidden.has(kind)));
    button.addEventListener("click", () => {
      if (!state.hidden.delete(kind)) state.hidden.add(kind);
      button.setAttribute("aria-pressed", String(!state.hidden.has(kind)));
      filter();
    });
    return button;
  }));
  byId("facts").textContent = [head.started && `from ${head.started.replace("T", " ")}`, head.timed && span(last),
    "click an entry for all of it; arrow keys, + and − and / work too"].filter(Boolean).join(", ");
  filter();
})();
