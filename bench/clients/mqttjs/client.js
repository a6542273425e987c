// MQTT.js under measure, MQTT 3.1.1. Its one setting that would matter, the window of QoS 1, it leaves to the application.
import mqtt from "mqtt";

const TOPIC = "bench/measured/topic";
const PAYLOAD = Buffer.from('{"measured":true,"celsius":21.50,"at":"2024-02-29T12:00:00.00Z"}');
const END = Buffer.from("the end:");
const WINDOW = 1000;
const BURST = 10000;
/** How many of many clients connect at a time. */
const AT_ONCE = 64;
const LOOK_EVERY = 256;

const work = Object.fromEntries(process.argv.slice(2).map((word) => word.split("=")));
// It is compiled while it runs: so it runs for longer than others.
const milliseconds = work.time === undefined ? Infinity : 4 * Number(work.time);
const most = work.messages === undefined ? Infinity : Number(work.messages);

const fail = (error) => {
    console.error(error);
    process.exit(1);
};
const connect = () => {
    const client = mqtt.connect(`mqtt://127.0.0.1:${work.port}`, { protocolVersion: 4, reconnectPeriod: 0 });
    client.on("error", fail);
    return new Promise((connected) => client.once("connect", () => connected(client)));
};

const begin = () => ({ count: 0, began: performance.now(), cpu: process.cpuUsage() });
const finish = (meter, more = {}) => {
    const cpu = process.cpuUsage(meter.cpu);
    const seconds = (performance.now() - meter.began) / 1e3;
    console.log(JSON.stringify({ messages: meter.count, seconds, cpu: (cpu.user + cpu.system) / 1e6, ...more }));
    // The last acknowledgement is written behind the handler that ends here.
    setTimeout(() => process.exit(0), 20);
};
const over = (meter, lookEvery) =>
    meter.count >= most ||
    (meter.count % lookEvery === 0 && performance.now() - meter.began >= milliseconds);

/** As many under way as the window has, of QoS 0 as well. */
const publish = (client, qos, most, finish) => {
    const meter = begin();
    let underWay = 0;
    let ended = false;
    const next = () => {
        while (!ended && underWay < WINDOW) {
            if (meter.count >= most || over(meter, LOOK_EVERY)) {
                ended = true;
                break;
            }
            meter.count += 1;
            underWay += 1;
            client.publish(TOPIC, PAYLOAD, { qos }, done);
        }
        if (ended && underWay === 0) {
            if (qos > 0) return finish(meter);
            client.publish(TOPIC, PAYLOAD, { qos: 1 }, () => finish(meter));
        }
    };
    const done = (error) => {
        if (error) fail(error);
        underWay -= 1;
        // All but a few are waited for before there are more: a call for each would be slower.
        if (underWay === 0 || underWay < WINDOW / 2) next();
    };
    next();
};

const receive = (client, qos, finish) => {
    const meter = begin();
    client.on("message", (_topic, payload) => {
        if (payload.subarray(0, END.length).equals(END)) {
            const count = Number(payload.readBigUInt64BE(END.length));
            if (count !== meter.count) fail(`${meter.count} messages were received, not ${count}`);
            return finish(meter);
        }
        if (payload.length !== PAYLOAD.length) fail("the payload's length");
        meter.count += 1;
    });
    client.subscribe(TOPIC, { qos }, (error) => error && fail(error));
};

const trips = (client, qos) => {
    const meter = begin();
    const times = [];
    let began = 0n;
    const next = () => {
        if (over(meter, 1)) {
            times.sort((a, b) => a - b);
            const at = (share) => times[Math.min(Math.floor(share * times.length), times.length - 1)] / 1e9;
            return finish(meter, { p50: at(0.5), p99: at(0.99) });
        }
        meter.count += 1;
        began = process.hrtime.bigint();
        client.publish(TOPIC, PAYLOAD, { qos }, qos > 0 ? arrived : undefined);
    };
    const arrived = () => {
        times.push(Number(process.hrtime.bigint() - began));
        next();
    };
    if (qos > 0) return next();
    client.on("message", arrived);
    client.subscribe(TOPIC, { qos }, (error) => (error ? fail(error) : next()));
};

/** What each client has in memory that is idle, after it did what `use` does. */
const idle = async (use) => {
    const clients = [await connect()];
    const settle = () => new Promise((done) => setTimeout(done, 2000));
    await settle();
    global.gc();
    const before = process.memoryUsage();
    for (let left = Number(work.clients); left > 0; left -= 1) clients.push(await connect());
    if (use) await Promise.all(clients.slice(1).map(use));
    await settle();
    global.gc();
    const after = process.memoryUsage();
    const count = clients.length - 1;
    const heap = after.heapUsed + after.external - before.heapUsed - before.external;
    console.log(JSON.stringify({ messages: count, heap: heap / count, resident: (after.rss - before.rss) / count }));
    process.exit(0);
};

const burst = async (client) => {
    await new Promise((done) => publish(client, 0, BURST, done));
    await new Promise((done) => receive(client, 0, done));
};

/** Connects them, and again as it does by itself, until its input ends: whoever started this watches it from outside. */
const many = async () => {
    process.stdin.on("end", () => process.exit(0)).resume();
    const clients = [];
    const one = () =>
        new Promise((connected) => {
            const client = mqtt.connect(`mqtt://127.0.0.1:${work.port}`, { protocolVersion: 4 });
            client.on("error", () => {});
            client.once("connect", () => connected(client));
        });
    while (clients.length < Number(work.clients)) {
        const count = Math.min(AT_ONCE, Number(work.clients) - clients.length);
        clients.push(...(await Promise.all(Array.from({ length: count }, one))));
    }
};

const scenarios = {
    pub0: (client) => publish(client, 0, Infinity, finish),
    pub1: (client) => publish(client, 1, Infinity, finish),
    pub2: (client) => publish(client, 2, Infinity, finish),
    recv0: (client) => receive(client, 0, finish),
    recv1: (client) => receive(client, 1, finish),
    trip0: (client) => trips(client, 0),
    trip1: (client) => trips(client, 1),
};
if (work.scenario === "idle") await idle();
else if (work.scenario === "burst") await idle(burst);
else if (work.scenario === "many") await many();
else scenarios[work.scenario](await connect());
