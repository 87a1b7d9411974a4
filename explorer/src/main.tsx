import "./styles/tokens.css";
import "./styles/base.css";
import "./styles/frame.css";
import "./styles/parts.css";

import { render } from "preact";

import { startClock } from "./app/clock.js";
import { fetchConfig } from "./app/config.js";
import { connection, startConnection } from "./app/connection.js";
import { Frame } from "./app/frame.js";
import { preloadPage } from "./app/page.js";
import { startRouter } from "./app/router.js";
import { config, settings } from "./app/settings.js";
import { startTheme } from "./app/theme.js";

startTheme();
startRouter();
startClock();
preloadPage();

const root = document.getElementById("app");
if (root) render(<Frame />, root);

fetchConfig().then(
  (found) => {
    config.value = found;
    startConnection();
  },
  (reason: unknown) => {
    const error = reason instanceof Error ? reason : new Error(String(reason));
    connection.value = { state: "failed", settings: settings.value, error };
  },
);
