import type { ComponentChildren, VNode } from "preact";

function Icon(props: { readonly children: ComponentChildren }): VNode {
  return (
    <svg
      viewBox="0 0 24 24"
      fill="none"
      stroke="currentColor"
      stroke-width="1.75"
      stroke-linecap="round"
      stroke-linejoin="round"
      aria-hidden="true"
    >
      {props.children}
    </svg>
  );
}

/** The project's mark: a line that is checked. */
export function MarkIcon(): VNode {
  return (
    <svg viewBox="0 0 24 24" fill="none" stroke="currentColor" stroke-width="2" stroke-linecap="round" stroke-linejoin="round" aria-hidden="true">
      <path d="M12 2.5 20.2 7v10L12 21.5 3.8 17V7z" />
      <path d="m7.6 12.4 3 3 5.8-6.6" />
    </svg>
  );
}

/** A sun. */
export function LightIcon(): VNode {
  return (
    <Icon>
      <circle cx="12" cy="12" r="4" />
      <path d="M12 3v1.5M12 19.5V21M3 12h1.5M19.5 12H21M5.6 5.6l1.1 1.1M17.3 17.3l1.1 1.1M5.6 18.4l1.1-1.1M17.3 6.7l1.1-1.1" />
    </Icon>
  );
}

/** A moon. */
export function DarkIcon(): VNode {
  return (
    <Icon>
      <path d="M20 14.5A8 8 0 0 1 9.5 4a8 8 0 1 0 10.5 10.5z" />
    </Icon>
  );
}

/** Half a sun: as the system has it. */
export function SystemIcon(): VNode {
  return (
    <Icon>
      <circle cx="12" cy="12" r="8" />
      <path d="M12 4a8 8 0 0 1 0 16z" fill="currentColor" />
    </Icon>
  );
}

/** A triangle: look out. */
export function WarningIcon(): VNode {
  return (
    <Icon>
      <path d="M12 4 21 19.5H3z" />
      <path d="M12 10v4.2M12 16.9v.1" />
    </Icon>
  );
}

/** A circle with an i. */
export function InfoIcon(): VNode {
  return (
    <Icon>
      <circle cx="12" cy="12" r="8.5" />
      <path d="M12 11v5M12 8v.1" />
    </Icon>
  );
}

/** A tick: it holds. */
export function HoldsIcon(): VNode {
  return (
    <Icon>
      <circle cx="12" cy="12" r="8.5" />
      <path d="m8.5 12.3 2.4 2.4 4.6-5.2" />
    </Icon>
  );
}

/** A cross: it fails. */
export function FailsIcon(): VNode {
  return (
    <Icon>
      <circle cx="12" cy="12" r="8.5" />
      <path d="m9 9 6 6M15 9l-6 6" />
    </Icon>
  );
}

/** A question: it is unchecked. */
export function UncheckedIcon(): VNode {
  return (
    <Icon>
      <circle cx="12" cy="12" r="8.5" />
      <path d="M9.8 9.6a2.3 2.3 0 1 1 3.3 2.1c-.8.4-1.1.9-1.1 1.7M12 16.2v.1" />
    </Icon>
  );
}

/** An arrow to the left. */
export function BackIcon(): VNode {
  return (
    <Icon>
      <path d="M14.5 5.5 8 12l6.5 6.5" />
    </Icon>
  );
}

/** An arrow to the right. */
export function ForwardIcon(): VNode {
  return (
    <Icon>
      <path d="M9.5 5.5 16 12l-6.5 6.5" />
    </Icon>
  );
}
