#!/usr/bin/env bash
# The documentation's site, in target/book; then every link between its pages, and between the documents themselves, is
# followed. Links that lead out of the repository are not.
set -euo pipefail
source "$(dirname "$0")/env.sh"

site=target/book staged=target/book-src
# What stands elsewhere in the repository and is a part of the book.
elsewhere=(CONTRIBUTING.md STYLE.md CHANGELOG.md benches/results/*.md)

say "the site of docs/"
cargo build --quiet --locked --manifest-path tools/mdbook/Cargo.toml --target-dir target/mdbook

# stage PAGE AS SED: a page of the book. mdBook makes index.html of a README.md, but leaves the links to it.
stage() {
    local page=$1 as=$staged/src/${2/%README.md/index.md} edit=$3
    mkdir -p "$(dirname "$as")"
    sed -e "$edit" -e "$titles" -e 's,README\.md\([#)]\),index.md\1,g' "$page" >"$as"
}

# A link that shows a file's name shows the page's title.
titles=
for page in docs/*.md docs/*/*.md; do
    [[ $page != docs/SUMMARY.md ]] || continue
    grep -qF "](${page#docs/})" docs/SUMMARY.md || stop "docs/SUMMARY.md does not name $page"
    title=$(sed -n '1s/^# //p' "$page")
    titles+="s#\[\(docs/\)*${page##*/}\](#[$title](#g"$'\n'
done

# The book's root is docs/: what stands beside it comes into it, and links between the two have one folder less.
rm -rf "$staged" "$site"
mkdir -p "$staged/src" "$staged/theme"
cp docs/book.toml docs/book.css "$staged"
cp public/favicon.svg "$staged/theme"
cp -r docs/images "$staged/src"
for page in docs/*.md; do stage "$page" "${page#docs/}" 's,](\.\./,](,g'; done
for page in docs/*/*.md; do stage "$page" "${page#docs/}" 's,](\.\./\.\./,](../,g'; done
for page in "${elsewhere[@]}"; do stage "$page" "$page" 's,](docs/,](,g'; done
target/mdbook/debug/sendlog-mdbook "$staged" "$site"

say "links of the documents"
tools/.venv/bin/lychee --offline --include-fragments --no-progress --no-ignore --mode plain \
    --exclude-path "$site/404.html" README.md "${elsewhere[@]}" docs "$site"
