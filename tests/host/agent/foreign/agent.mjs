// A whole agent in Node.js without packages, written after docs/agent-contract.md alone: a proof that the contract suffices.
//
//     node agent.mjs WORK_DIR RUN_DIR PORT
//
// Its ledger is a file of JSON lines, each forced to disk before what it says is acted on. OPS_BREAK names a way in which it breaks
// the contract on purpose, for the tests of the conformance check.

import { spawn } from "node:child_process";
import crypto from "node:crypto";
import fs from "node:fs";
import https from "node:https";
import net from "node:net";
import path from "node:path";

const VERSION = "1.0.0-node";
const MAX_BODY = 1024 * 1024;
const MAX_CHUNK = 48 * 1024;
const GRACE_MS = 1000;
const BEAT_MS = 2000;
const [workDir, runDir, portText] = process.argv.slice(2);
const port = Number(portText);
const broken = process.env.OPS_BREAK ?? "";
const identity = path.join(workDir, "identity");
const nodeId = JSON.parse(fs.readFileSync(path.join(identity, "node.json"), "utf8")).node_id;
const key = Buffer.from(fs.readFileSync(path.join(identity, "dispatch.key"), "ascii").trim(), "hex");
const FINAL = new Set(["succeeded", "failed", "timed_out", "canceled", "refused", "interrupted"]);

// -- the ledger ----------------------------------------------------------------------------------------------------------

const tasks = new Map();
const nonces = new Map();
let outgoing = [];
let epoch = 0;
let lastSeq = 0;
let ledger;

function openLedger() {
    const file = path.join(workDir, "ledger.jsonl");
    let whole = 0;
    if (fs.existsSync(file)) {
        const data = fs.readFileSync(file);
        whole = data.lastIndexOf(10) + 1; // a line that a crash cut off was never acted on
        for (const line of data.subarray(0, whole).toString("utf8").split("\n")) if (line) apply(JSON.parse(line));
    }
    ledger = fs.openSync(file, "a", 0o600);
    fs.ftruncateSync(ledger, whole);
    if (!epoch) write({ epoch: 1 + crypto.randomInt(2 ** 47) });
}

function apply(entry) {
    if (entry.epoch) epoch = entry.epoch;
    if (entry.task) tasks.set(entry.task.id, { ...tasks.get(entry.task.id), ...entry.task });
    if (entry.nonce) nonces.set(entry.nonce[0], entry.nonce[1]);
    for (const record of entry.records ?? []) {
        outgoing.push(record);
        lastSeq = Math.max(lastSeq, record.seq);
    }
    if (entry.forget) outgoing = outgoing.filter((record) => record.seq > entry.forget);
}

/** A state change and the records that tell it: one line, on disk when this returns. */
function write(entry, told = []) {
    entry.records = told.map(([kind, body]) => ({ seq: ++lastSeq, kind, at: Date.now(), body }));
    const line = Buffer.from(`${JSON.stringify(entry)}\n`);
    fs.writeSync(ledger, line);
    fs.fsyncSync(ledger);
    apply(entry);
    link.wake();
}

const execution = (id, state, more = {}) => ["execution", { command_id: id, state, reason: "", ...more }];

function finish(id, state, more = {}) {
    write({ task: { id, state, content: null, ended_at: Date.now(), ...more } }, [execution(id, state, more)]);
}

// -- tasks ---------------------------------------------------------------------------------------------------------------

const running = new Map();
const queue = [];
const INTERPRETERS = { shell: ["/bin/sh"], python: ["/usr/bin/env", "python3", "-u"] };
const FIELDS = {
    script: "string", interpreter: "string", arguments: "list", environment: "map", working_folder: "string", user: "string",
    timeout: "number", output_limit: "number", priority: "number", nice: "number", memory_limit: "number",
};
const BOUNDS = { timeout: [1, 86400], output_limit: [0, 16777216], priority: [-10, 10], nice: [0, 19], memory_limit: [0, 2 ** 50] };

/** Why this content cannot be run; "" when it can. */
function complaint(content) {
    for (const [name, value] of Object.entries(content)) {
        const kind = Array.isArray(value) ? "list" : typeof value === "object" && value ? "map" : typeof value;
        if (!(name in FIELDS)) return `${name}: script has no such field`;
        if (kind !== FIELDS[name]) return `${name}: has the wrong type`;
        const bounds = BOUNDS[name];
        if (bounds && !(Number.isInteger(value) && value >= bounds[0] && value <= bounds[1])) return `${name}: is out of bounds`;
    }
    if (!content.script?.trim()) return "script: it is empty";
    if (!(content.interpreter === undefined || content.interpreter in INTERPRETERS)) return "interpreter: is unknown";
    for (const name of ["user", "nice", "memory_limit"]) if (content[name]) return `${name}: this agent cannot do that`;
    return "";
}

function fill() {
    while (queue.length && running.size < 10) {
        const id = queue.shift();
        if (tasks.get(id).state === "accepted") start(id);
    }
}

function start(id) {
    const content = tasks.get(id).content;
    write({ task: { id, state: "started", started_at: Date.now() } }, [execution(id, "started")]);
    const file = path.join(workDir, `script-${id}`);
    fs.writeFileSync(file, content.script, { mode: 0o600 });
    const environment = { PATH: "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", HOME: "/", LANG: "C.UTF-8" };
    const [program, ...first] = INTERPRETERS[content.interpreter ?? "shell"];
    const child = spawn(program, [...first, file, ...(content.arguments ?? [])], {
        cwd: content.working_folder || "/",
        env: { ...environment, ...content.environment, OPS_COMMAND_ID: id },
        detached: true, // a session of its own, so that all of it can be ended
        stdio: ["ignore", "pipe", "pipe"],
    });
    const one = { child, bytes: { stdout: 0, stderr: 0 }, told: { stdout: 0, stderr: 0 }, chunk: broken === "output" ? 1 : 0, left: content.output_limit ?? 1048576, cut: false };
    running.set(id, one);
    for (const stream of ["stdout", "stderr"]) child[stream].on("data", (data) => output(id, one, stream, data));
    const timer = setTimeout(() => stop(one, "timed_out", `it ran longer than ${content.timeout ?? 300} s`), (content.timeout ?? 300) * 1000);
    child.on("error", (problem) => (one.order = ["failed", `could not be started: ${problem.message}`]));
    child.on("exit", () => setTimeout(() => signal(one, "SIGKILL"), one.order ? 0 : 300)); // nothing of its group outlives it
    child.on("close", (code, number) => {
        clearTimeout(timer);
        signal(one, "SIGKILL");
        fs.rmSync(file, { force: true });
        running.delete(id);
        const [state, reason] = one.order ?? (code === 0 ? ["succeeded", ""] : ["failed", number ? `ended by signal ${number}` : `exit code ${code}`]);
        const sizes = { stdout_bytes: one.bytes.stdout, stderr_bytes: one.bytes.stderr, truncated: one.cut };
        const how = number ? { signal: os(number) } : code === null ? {} : { exit_code: code };
        finish(id, state, { reason, ...how, ...sizes });
        fill();
    });
}

const os = (name) => ({ SIGHUP: 1, SIGINT: 2, SIGQUIT: 3, SIGILL: 4, SIGABRT: 6, SIGFPE: 8, SIGKILL: 9, SIGSEGV: 11, SIGPIPE: 13, SIGTERM: 15 })[name] ?? 0;

function output(id, one, stream, data) {
    one.bytes[stream] += data.length;
    const kept = data.subarray(0, one.left);
    one.left -= kept.length;
    if (kept.length < data.length) one.cut = true;
    const records = [];
    for (let begin = 0; begin < kept.length; begin += MAX_CHUNK) {
        const part = kept.subarray(begin, begin + MAX_CHUNK);
        records.push(["output", { command_id: id, chunk: one.chunk++, stream, offset: one.told[stream], data: part.toString("base64") }]);
        one.told[stream] += part.length;
    }
    if (records.length) write({}, records);
}

function signal(one, name) {
    try {
        process.kill(-one.child.pid, name);
    } catch (problem) {
        if (problem.code !== "ESRCH") throw problem; // nobody is left
    }
}

function stop(one, state, reason) {
    if (one.order) return;
    one.order = [state, reason];
    signal(one, "SIGTERM");
    setTimeout(() => signal(one, "SIGKILL"), GRACE_MS);
}

/** What an earlier life of this agent left behind. */
function recover() {
    for (const task of tasks.values()) {
        if (task.state === "accepted") queue.push(task.id);
        if (task.state !== "started") continue;
        for (const pid of fs.readdirSync("/proc").filter((name) => /^\d+$/.test(name))) {
            try {
                if (fs.readFileSync(`/proc/${pid}/environ`, "latin1").split("\0").includes(`OPS_COMMAND_ID=${task.id}`)) process.kill(Number(pid), "SIGKILL");
            } catch {
                continue; // it ended meanwhile
            }
        }
        finish(task.id, "interrupted", { reason: "the agent ended while it ran" });
    }
}

// -- the API -------------------------------------------------------------------------------------------------------------

class Refusal extends Error {
    constructor(status, code, message) {
        super(message);
        Object.assign(this, { status, code });
    }
}

/** The nonce of a genuine request, and whether it has expired. */
function verify(request, body) {
    const [name, nonce, timestamp, expires, given] = ["key", "nonce", "timestamp", "expires", "signature"].map((one) => request.headers[`x-ops-${one}`] ?? "");
    if (broken === "signature") return { nonce, expires: Number(expires) };
    if (!name || !nonce || !timestamp || !expires || !given) throw new Refusal(401, 1002, "not signed");
    if (!/^\d{1,18}$/.test(timestamp) || !/^\d{1,18}$/.test(expires)) throw new Refusal(401, 1002, "timestamp and expiry must be whole milliseconds");
    if (name !== nodeId) throw new Refusal(403, 1003, "signed for another node");
    const [where, query = ""] = request.url.split(/\?(.*)/s);
    const digest = crypto.createHash("sha256").update(body).digest("hex");
    const text = ["OPS1", name, nonce, timestamp, expires, request.method, where, query, digest].join("\n");
    const wanted = crypto.createHmac("sha256", key).update(text).digest("hex");
    if (given.length !== wanted.length || !crypto.timingSafeEqual(Buffer.from(given), Buffer.from(wanted))) {
        throw new Refusal(401, 1002, "the signature does not fit this request");
    }
    return { nonce, expires: Number(expires) };
}

/** A question is good once. */
function fresh(request, body) {
    const { nonce, expires } = verify(request, body);
    if (Date.now() > expires) throw new Refusal(401, 1002, "expired");
    if (nonces.has(nonce)) throw new Refusal(401, 1002, "made already");
    write({ nonce: [nonce, expires] });
}

/** The parsed body of a command that is new, or the answer to one that is known. */
function command(request, body) {
    const { nonce, expires } = verify(request, body);
    const known = tasks.get(nonce);
    if (known && broken !== "duplicate") return { known: { id: nonce, state: known.state, known: true } };
    if (Date.now() > expires) throw new Refusal(401, 1002, "expired");
    if (!/^[A-Za-z0-9_-][A-Za-z0-9_.-]{0,79}$/.test(nonce)) throw new Refusal(400, 1001, "the nonce cannot be an id");
    let data;
    try {
        data = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(body));
    } catch {
        throw new Refusal(400, 1001, "the body is not JSON");
    }
    if (typeof data !== "object" || !data || Array.isArray(data)) throw new Refusal(400, 1001, "the body must be an object");
    if (typeof data.node_id !== "string") throw new Refusal(400, 1001, "node_id: is missing");
    if (data.node_id !== nodeId) throw new Refusal(403, 1003, "for another node");
    return { id: nonce, expires, data };
}

const usage = process.cpuUsage.bind(process);
let measured = [Date.now(), usage()];

function figures() {
    const [at, before] = measured;
    const used = usage(before);
    measured = [Date.now(), usage()];
    const cpu = (used.user + used.system) / 1000 / Math.max(Date.now() - at, 1);
    return {
        pid: process.pid, version: VERSION, state: "running", cpu_percent: Math.round(cpu * 10000) / 100,
        memory_bytes: process.memoryUsage.rss(), running: running.size, queued: queue.length,
    };
}

function execute(request, body) {
    const { known, id, expires, data } = command(request, body);
    if (known) return known;
    if (data.kind !== "script") throw new Refusal(400, 1001, `kind: ${data.kind} is unknown to this agent`);
    if (typeof data.content !== "object" || !data.content) throw new Refusal(400, 1001, "content: must be an object");
    const wrong = complaint(data.content);
    if (wrong) throw new Refusal(400, 1001, wrong);
    if (queue.length >= 1000) throw new Refusal(429, 3001, "too many tasks wait");
    write({ task: { id, kind: "script", state: "accepted", content: data.content, accepted_at: Date.now(), expires_at: expires } });
    queue.push(id);
    setImmediate(fill);
    return { id, state: "accepted", known: false };
}

function cancel(request, body, target) {
    const { known, id } = command(request, body);
    if (known) return known;
    const task = tasks.get(target);
    const one = running.get(target);
    const ok = !task || task.state === "accepted" || (one && !one.order);
    write({ task: { id, kind: "cancel", state: "started" } }, [execution(id, "started")]);
    if (!task || task.state === "accepted") finish(target, "canceled", { kind: "canceled", reason: "canceled before it was started" });
    if (one) stop(one, "canceled", "canceled by a command");
    const state = ok ? "succeeded" : "failed";
    finish(id, state, ok ? { exit_code: 0 } : { reason: "it has ended already" });
    return { id, state, known: false };
}

function status(request, body, id) {
    fresh(request, body);
    const { content, ...task } = tasks.get(id) ?? {};
    if (!task.id) throw new Refusal(404, 1001, "there is no such task");
    return task;
}

function overall(request, body) {
    fresh(request, body);
    return { ...figures(), node_id: nodeId, undelivered: outgoing.length };
}

const ROUTES = [
    ["GET", /^\/api\/v1\/health$/, () => ({ status: "ok", version: VERSION })],
    ["GET", /^\/api\/v1\/status$/, overall],
    ["POST", /^\/api\/v1\/task\/execute$/, execute],
    ["GET", /^\/api\/v1\/task\/([^/]+)\/status$/, status],
    ["POST", /^\/api\/v1\/task\/([^/]+)\/cancel$/, cancel],
];

function answer(request, body, size) {
    const host = (request.headers.host ?? "").toLowerCase();
    if (host !== `127.0.0.1:${port}` && host !== `localhost:${port}`) throw new Refusal(403, 1003, "a foreign Host");
    if ("origin" in request.headers) throw new Refusal(403, 1003, "a web page");
    const where = request.url.split("?")[0];
    const found = ROUTES.filter(([, pattern]) => pattern.test(where));
    if (!found.length) throw new Refusal(404, 1001, "there is nothing here");
    const route = found.find(([method]) => method === request.method);
    if (!route) throw new Refusal(405, 1001, "not that method");
    if (request.method === "POST" && (request.headers["content-type"] ?? "").split(";")[0] !== "application/json") throw new Refusal(415, 1001, "not JSON");
    if (size > MAX_BODY) throw new Refusal(413, 1001, "the body is too large");
    return route[2](request, body, route[1].exec(where)[1]);
}

function serve(request, response) {
    const parts = [];
    let size = 0;
    request.on("data", (part) => {
        size += part.length;
        if (size <= MAX_BODY) parts.push(part);
        if (size > 16 * MAX_BODY) request.destroy();
    });
    request.on("end", () => {
        let [code, message, data, http] = [0, "ok", null, 200];
        try {
            data = answer(request, Buffer.concat(parts), size);
        } catch (problem) {
            [http, code, message] = problem instanceof Refusal ? [problem.status, problem.code, problem.message] : [500, 3001, "the agent failed"];
            if (http === 500) console.error(problem);
        }
        const text = JSON.stringify({ code, message, data, timestamp: new Date().toISOString() });
        response.writeHead(http, { "content-type": "application/json", "cache-control": "no-store" }).end(text);
    });
}

// -- the daemon ----------------------------------------------------------------------------------------------------------

const link = {
    socket: null,
    waiting: new Map(),
    number: 0,
    delivering: false,

    connect() {
        const socket = net.connect(path.join(runDir, "daemon.sock"));
        let buffer = "";
        let beat;
        socket.setEncoding("utf8");
        socket.on("connect", () => {
            this.socket = socket;
            const say = () => this.ask("heartbeat", figures());
            beat = setInterval(say, BEAT_MS);
            say();
            this.wake();
        });
        socket.on("data", (text) => {
            buffer += text;
            for (let end; (end = buffer.indexOf("\n")) >= 0; buffer = buffer.slice(end + 1)) this.take(JSON.parse(buffer.slice(0, end)));
        });
        socket.on("error", () => {}); // `close` follows
        socket.on("close", () => {
            clearInterval(beat);
            this.socket = null;
            this.waiting.clear();
            this.delivering = false;
            setTimeout(() => this.connect(), 100 + Math.random() * 900);
        });
    },

    take(message) {
        if ("method" in message) {
            const known = { stop: () => (setImmediate(end), { ok: true }), status: figures };
            const says = message.method in known
                ? { result: known[message.method]() }
                : { error: { code: -32601, message: "there is no such method" } };
            if ("id" in message) this.socket?.write(`${JSON.stringify({ jsonrpc: "2.0", id: message.id, ...says })}\n`);
            return;
        }
        const done = this.waiting.get(message.id);
        this.waiting.delete(message.id);
        if ("error" in message) this.socket?.destroy();
        else done?.(message.result);
    },

    ask(method, params, done) {
        this.number += 1;
        this.waiting.set(this.number, done);
        this.socket.write(`${JSON.stringify({ jsonrpc: "2.0", id: this.number, method, params })}\n`);
    },

    /** One delivery at a time: the oldest records that are not confirmed. */
    wake() {
        if (!this.socket || this.delivering || !outgoing.length) return;
        this.delivering = true;
        setImmediate(() => {
            if (!this.socket) return;
            this.ask("deliver", { epoch, records: outgoing.slice(0, 100) }, ({ stored }) => {
                this.delivering = false;
                write({ forget: stored });
            });
        });
    },
};

// -- all together --------------------------------------------------------------------------------------------------------

const certificate = { key: fs.readFileSync(path.join(identity, "agent.key")), cert: fs.readFileSync(path.join(identity, "agent.crt")) };
const server = https.createServer({ ...certificate, minVersion: "TLSv1.2" }, serve);
server.on("error", (problem) => {
    console.error(`another agent has the port, this one steps back: ${problem.message}`);
    process.exit(0);
});
// The port is also the lock: whoever cannot have it touches nothing.
server.listen(port, "127.0.0.1", () => {
    if (broken === "forgets") fs.rmSync(path.join(workDir, "ledger.jsonl"), { force: true });
    openLedger();
    recover();
    const fields = Object.entries(FIELDS).map(([name, type]) => ({ name, type: { string: "text", number: "integer" }[type] ?? type, required: name === "script" }));
    write({}, [["kinds", { kinds: [{ kind: "script", label: "Script", fields }], refused: {} }]]);
    link.connect();
    fill();
});
function end() {
    for (const one of running.values()) stop(one, "interrupted", "the agent was stopped while it ran");
    setTimeout(() => process.exit(0), running.size ? GRACE_MS + 500 : 0);
}
process.on("SIGTERM", end);
