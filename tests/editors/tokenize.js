// node tokenize.js MODULES GRAMMAR FILE... : tokens of the files as JSON lines, by VS Code's own engine.
"use strict";
const fs = require("fs");
const path = require("path");
const [modules, grammarFile, ...files] = process.argv.slice(2);
const textmate = require(path.join(modules, "vscode-textmate"));
const oniguruma = require(path.join(modules, "vscode-oniguruma"));

async function main() {
  await oniguruma.loadWASM(
    fs.readFileSync(path.join(modules, "vscode-oniguruma/release/onig.wasm")).buffer,
  );
  const registry = new textmate.Registry({
    onigLib: Promise.resolve({
      createOnigScanner: (patterns) => new oniguruma.OnigScanner(patterns),
      createOnigString: (text) => new oniguruma.OnigString(text),
    }),
    loadGrammar: async () =>
      textmate.parseRawGrammar(fs.readFileSync(grammarFile, "utf-8"), grammarFile),
  });
  const grammar = await registry.loadGrammar("source.idol");
  for (const file of files) {
    let stack = textmate.INITIAL;
    const lines = fs.readFileSync(file, "utf-8").split("\n");
    const shown = lines.map((line) => {
      const result = grammar.tokenizeLine(line, stack);
      stack = result.ruleStack;
      return result.tokens.map((token) => [
        line.slice(token.startIndex, token.endIndex),
        token.scopes.slice(1),
      ]);
    });
    console.log(JSON.stringify(shown));
  }
}

main();
