import tseslint from "typescript-eslint";

export default tseslint.config(
  // contracts/abi.d.ts is written by scripts/npm_abi.py, and is in no project of tsc.
  { ignores: ["**/dist/**", "**/node_modules/**", "contracts/abi.d.ts"] },
  ...tseslint.configs.strictTypeChecked,
  ...tseslint.configs.stylisticTypeChecked,
  {
    languageOptions: {
      parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname },
    },
  },
  { files: ["**/*.js"], ...tseslint.configs.disableTypeChecked },
);
