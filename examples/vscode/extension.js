// Starts `kling-pipe lsp` and hands it every YAML file; the server itself knows which of them are manifests.

const { workspace } = require("vscode");
const { LanguageClient } = require("vscode-languageclient/node");

let client;

exports.activate = async () => {
  const folder = workspace.workspaceFolders?.[0]?.uri.fsPath ?? ".";
  const words = workspace.getConfiguration("kling-pipe").get("command");
  const [command, ...args] = words.map((word) => word.replace("${workspaceFolder}", folder));

  client = new LanguageClient(
    "kling-pipe",
    "kling-pipe",
    { command, args, options: { cwd: folder } },
    { documentSelector: [{ scheme: "file", language: "yaml" }] },
  );
  await client.start();
};

exports.deactivate = () => client?.stop();
