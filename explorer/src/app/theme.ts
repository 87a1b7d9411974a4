import { effect, signal } from "@preact/signals";

import { read, write } from "./storage.js";

/** The colours: the system's, or as chosen. */
export type Theme = "system" | "light" | "dark";

const KEY = "theme";

/** The chosen theme. */
export const theme = signal<Theme>(themeOf(read(KEY)));

/** True while the page is dark. */
export const isDark = signal(false);

/** Apply the theme from now on, and follow the system's. */
export function startTheme(): void {
  const system = matchMedia("(prefers-color-scheme: dark)");
  const apply = (): void => {
    isDark.value = theme.value === "dark" || (theme.value === "system" && system.matches);
    document.documentElement.dataset.theme = isDark.value ? "dark" : "light";
  };
  system.addEventListener("change", apply);
  effect(() => {
    write(KEY, theme.value);
    apply();
  });
}

/** Return the theme that comes next when somebody presses the button. */
export function nextTheme(current: Theme): Theme {
  return current === "system" ? "light" : current === "light" ? "dark" : "system";
}

function themeOf(text: string | null): Theme {
  return text === "light" || text === "dark" ? text : "system";
}
