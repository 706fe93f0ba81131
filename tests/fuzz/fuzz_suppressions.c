/*
 * Random suppression files: a mistake is one line that names the file, and a pattern of any kind can be held against
 * findings.
 */
/* clang-format off */
/* FUZZ: tools/mem.c tools/utf8.c tools/model.c tools/records.c tools/reader.c tools/trace.c tools/names.c tools/symbols.c tools/symbols_dwarf.c tools/symbols_data.c tools/suppressions.c tools/suppressions_match.c tools/suppressions_valgrind.c -ldw -lelf -ljansson -l:libiberty.a */
/* clang-format on */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "reader.h"
#include "suppressions.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MUST(cond) ((cond) ? (void)0 : (fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #cond), abort()))

static const char journal[] =
    "{\"type\":\"header\",\"pid\":1,\"exe\":\"/x\"}\n"
    "{\"type\":\"module\",\"id\":1,\"path\":\"/nonexistent/libstock.so.2\"}\n"
    "{\"type\":\"stack\",\"id\":1,\"frames\":[[1,4660],[1,5000],[0,7]]}\n"
    "{\"type\":\"lock\",\"id\":1,\"kind\":\"mutex\",\"address\":\"0x10\",\"first\":1}\n"
    "{\"type\":\"finding\",\"kind\":\"deadlock\",\"fingerprint\":\"0123456789abcdef\",\"locks\":[1],\"threads\":[{"
    "\"thread\":1,"
    "\"role\":\"waiter\",\"wants\":{\"lock\":1,\"stack\":1},\"holds\":[{\"lock\":1,\"stack\":1}]}]}\n"
    "{\"type\":\"finding\",\"kind\":\"relock\",\"locks\":[1],\"threads\":[{\"thread\":1,\"role\":\"actor\",\"stack\":1}"
    "]}\n";

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct model m;
	struct reader r;
	struct symbols syms;
	struct names names;
	struct suppressions s = { 0 };
	char err[512] = "";
	bool ok = suppressions_parse(&s, "file", (const char *)data, size, err, sizeof err);
	MUST(ok == (err[0] == '\0'));
	MUST(ok || strncmp(err, "file:", 5) == 0);

	model_init(&m);
	symbols_init(&syms);
	names_init(&names, &syms, false);
	reader_init(&r, &m, "journal", 0);
	reader_feed(&r, journal, sizeof journal - 1);
	reader_finish(&r);
	MUST(m.nr_findings == 2);
	for (size_t i = 0; i < m.nr_findings; i++) {
		struct suppression *rule = suppressions_match(&s, &names, m.findings[i]);
		MUST(!rule || (rule->uses && !rule->expired));
	}
	suppressions_free(&s);
	names_free(&names);
	symbols_free(&syms);
	model_free(&m);
	return 0;
}
