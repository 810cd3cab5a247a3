// Starts `idol lsp` and leaves the rest to it.
"use strict";

const vscode = require("vscode");
const { LanguageClient } = require("vscode-languageclient/node");

let client;

function makeClient() {
  const settings = vscode.workspace.getConfiguration("idol");
  const command = settings.get("path") || "idol";
  return new LanguageClient(
    "idol",
    "Idol",
    { command, args: ["lsp"] },
    {
      documentSelector: [{ language: "idol" }],
      initializationOptions: { strict: settings.get("strict") === true },
      synchronize: {
        configurationSection: "idol",
        fileEvents: vscode.workspace.createFileSystemWatcher("**/*.{rs,idol,idl}"),
      },
    },
  );
}

async function start() {
  client = makeClient();
  try {
    await client.start();
  } catch (error) {
    const settings = "Open settings";
    const chosen = await vscode.window.showErrorMessage(
      `The Idol language server did not start (${error.message}). ` +
        "Install it with: pip install 'idoldbg[lsp]', and set idol.path if `idol` is not in PATH.",
      settings,
    );
    if (chosen === settings) {
      await vscode.commands.executeCommand("workbench.action.openSettings", "idol.path");
    }
  }
}

async function stop() {
  const old = client;
  client = undefined;
  if (old && old.needsStop()) {
    await old.stop();
  }
}

async function activate(context) {
  context.subscriptions.push(
    vscode.commands.registerCommand("idol.restart", async () => {
      await stop();
      await start();
    }),
    vscode.workspace.onDidChangeConfiguration(async (event) => {
      if (event.affectsConfiguration("idol.path")) {
        await stop();
        await start();
      }
    }),
  );
  await start();
}

module.exports = { activate, deactivate: stop };
