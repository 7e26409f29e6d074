#!/usr/bin/env bash
# Prints a C++ header with each FILE as a constant: page/index.html is
# kIndexHtml. Usage: embed.sh FILE...
set -euo pipefail
echo '#include "absl/strings/string_view.h"'
echo 'namespace ballast::admin::page_files {'
for file in "$@"; do
  name=
  IFS='._' read -ra words <<<"$(basename "$file")"
  for word in "${words[@]}"; do name+=${word^}; done
  if grep -q ')page"' "$file"; then
    echo "embed.sh: $file has the end mark" >&2
    exit 1
  fi
  echo "inline constexpr absl::string_view k$name ="
  printf 'R"page('
  cat "$file"
  printf ')page";\n'
done
echo '}  // namespace ballast::admin::page_files'
