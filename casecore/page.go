package casecore

// PagePath is where customers' own pages are.
const PagePath = "/c/"

// PageLink is a regular expression for a link to a customer's own page, wherever the
// house is reached and with or without the scheme. Whoever has such a link has the
// page, so what goes to third parties must not hold one. It also finds what another
// site has at such a path, when that is as long as our tokens are.
const PageLink = `(?:https?://)?[^\s/:]+(?::\d+)?(?:/[^\s/]+)*?` + PagePath + `[\w-]{19,}(?:[/?][\w=&-]+)*`
