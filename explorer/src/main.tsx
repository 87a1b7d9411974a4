import { render } from "preact";

const root = document.getElementById("app");
if (root) {
  render(<h1>Verifiable oracle</h1>, root);
}
