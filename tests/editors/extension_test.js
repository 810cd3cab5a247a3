// node extension_test.js EXTENSION : the client with VS Code and its language client stood in for.
"use strict";
const assert = require("assert");
const Module = require("module");

const events = { started: [], stopped: 0, shown: [], commands: {}, watched: [], opened: [] };
let settings = {};
let failure = null;
let changed = null;

const vscode = {
  workspace: {
    getConfiguration: (section) => {
      assert.strictEqual(section, "idol");
      return { get: (name) => settings[name] };
    },
    createFileSystemWatcher: (pattern) => events.watched.push(pattern),
    onDidChangeConfiguration: (call) => {
      changed = call;
      return {};
    },
  },
  window: {
    showErrorMessage: async (message, ...choices) => {
      events.shown.push(message);
      return choices[0];
    },
  },
  commands: {
    registerCommand: (name, call) => {
      events.commands[name] = call;
      return {};
    },
    executeCommand: async (...words) => events.opened.push(words),
  },
};

class LanguageClient {
  constructor(id, name, server, client) {
    Object.assign(this, { id, server, client, running: false });
  }
  async start() {
    if (failure) throw failure;
    this.running = true;
    events.started.push(this);
  }
  needsStop() {
    return this.running;
  }
  async stop() {
    this.running = false;
    events.stopped += 1;
  }
}

const load = Module._load;
Module._load = (name, ...rest) => {
  if (name === "vscode") return vscode;
  if (name === "vscode-languageclient/node") return { LanguageClient };
  return load(name, ...rest);
};

async function main() {
  const extension = require(process.argv[2]);
  const context = { subscriptions: [] };
  await extension.activate(context);
  const [first] = events.started;
  assert.deepStrictEqual(first.server, { command: "idol", args: ["lsp"] });
  assert.deepStrictEqual(first.client.documentSelector, [{ language: "idol" }]);
  assert.deepStrictEqual(first.client.initializationOptions, { strict: false });
  assert.strictEqual(first.client.synchronize.configurationSection, "idol");
  assert.deepStrictEqual(events.watched, ["**/*.{rs,idol,idl}"]);
  assert.strictEqual(context.subscriptions.length, 2);

  settings = { path: "/venv/bin/idol", strict: true };
  await changed({ affectsConfiguration: (name) => name === "idol.path" });
  assert.strictEqual(events.stopped, 1);
  assert.strictEqual(events.started[1].server.command, "/venv/bin/idol");
  assert.deepStrictEqual(events.started[1].client.initializationOptions, { strict: true });
  await changed({ affectsConfiguration: () => false });
  assert.strictEqual(events.started.length, 2);

  failure = new Error("spawn idol ENOENT");
  await events.commands["idol.restart"]();
  assert.strictEqual(events.stopped, 2);
  assert.match(events.shown[0], /pip install 'idoldbg\[lsp\]'/);
  assert.match(events.shown[0], /ENOENT/);
  assert.deepStrictEqual(events.opened, [["workbench.action.openSettings", "idol.path"]]);

  await extension.deactivate(); // the failed client is not stopped
  assert.strictEqual(events.stopped, 2);
  console.log("ok");
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
