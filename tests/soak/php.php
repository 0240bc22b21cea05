<?php
// Rounds of a PHP worker with the JIT, itself and in processes that it forks: floats, strings, arrays, expressions, and code it has not seen before.

function escape_times(int $width): int
{
    $total = 0;
    for ($y = 0; $y < $width; $y++) {
        for ($x = 0; $x < $width; $x++) {
            [$a, $b, $n] = [0.0, 0.0, 0];
            $c = $x / $width * 3.0 - 2.0;
            $d = $y / $width * 2.0 - 1.0;
            while ($n < 50 && $a * $a + $b * $b < 4.0) {
                [$a, $b] = [$a * $a - $b * $b + $c, 2.0 * $a * $b + $d];
                $n++;
            }
            $total += $n;
        }
    }
    return $total;
}

function texts(int $seed): string
{
    $words = [];
    for ($i = 0; $i < 2000; $i++) {
        $words[] = dechex(($i * 40503 + $seed * 977) & 0xffff);
    }
    sort($words, SORT_STRING);
    preg_match_all('/(\d+)([a-f])\b/', implode(' ', $words), $found);
    return md5(implode(',', $found[1]) . strrev(implode($found[2])));
}

function one_round(int $seed): string
{
    $sorted = range(1, 3000);
    usort($sorted, fn($a, $b) => ($a * 7919 + $seed) % 3001 <=> ($b * 7919 + $seed) % 3001);
    $new = eval("return function (\$n) { \$s = $seed; for (\$i = 0; \$i < \$n; \$i++) { \$s = (\$s * 31 + \$i) % 65521; } return \$s; };");
    return hash('sha256', escape_times(40 + $seed) . texts($seed) . json_encode($sorted) . $new(20000));
}

// PHP has a JIT for some processors only.
if (in_array(php_uname('m'), ['x86_64', 'aarch64']) && !opcache_get_status(false)['jit']['on']) {
    fwrite(STDERR, "the JIT is off\n");
    exit(1);
}
while (($line = fgets(STDIN)) !== false) {
    $seed = (int) $line;
    $ends = [];
    for ($i = 0; $i < 2; $i++) {
        $pair = stream_socket_pair(STREAM_PF_UNIX, STREAM_SOCK_STREAM, 0);
        $child = pcntl_fork();
        if ($child === 0) {
            fwrite($pair[1], one_round($seed + $i));
            // Without the destructors and buffers of the parent.
            posix_kill(posix_getpid(), SIGKILL);
        }
        fclose($pair[1]);
        $ends[$child] = $pair[0];
    }
    $all = one_round($seed);
    foreach ($ends as $child => $end) {
        $all .= stream_get_contents($end);
        fclose($end);
        pcntl_waitpid($child, $status);
    }
    echo hash('sha256', $all), "\n";
}
