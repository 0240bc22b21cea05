// What dlopen.c opens: built several times, with WHICH from 0.
int state;
_Thread_local int calls = WHICH;
static int table[5000];

__attribute__((constructor)) static void start(void)
{
	state = 41 + WHICH;
}

int add(int x)
{
	calls++;
	return state + x;
}

int fill(int x)
{
	for (int i = 0; i < 5000; i++)
		table[i] += x * i + WHICH;
	return table[77] + calls;
}
