/* plugin.c - What plugins.c loads again and again: touches memory, so that there is something to watch. */
int plugin_add(int *where, int what);

int plugin_add(int *where, int what)
{
	for (int i = 0; i < 8; i++)
		where[i] += what + i;
	return where[0];
}
