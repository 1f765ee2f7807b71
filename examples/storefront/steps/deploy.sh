# Puts build/storefront into deployed/ENVIRONMENT. It is copied beside the old
# one, tried, then moved: nobody sees half of it.
set -e
to=deployed/$SOLO_ENVIRONMENT
mkdir -p "$to"
cp build/storefront "$to/storefront.new"
"$to/storefront.new" -check
mv -f "$to/storefront.new" "$to/storefront"
printf '%s\n' "$SOLO_DECISION" >"$to/decision"
