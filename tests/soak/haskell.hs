-- Rounds in Haskell: threads that build and fold large structures, and meet in a variable.
module Main (main) where

import Control.Concurrent (forkIO)
import Control.Concurrent.MVar (newEmptyMVar, putMVar, takeMVar)
import Control.Monad (forM)
import Data.Bits (shiftR, xor)
import Data.List (foldl', sort)
import System.IO (BufferMode (LineBuffering), hSetBuffering, stdout)

-- Ways to place queens on a board of n by n.
queens :: Int -> Int
queens n = length (go n)
  where
    go 0 = [[]]
    go k = [q : qs | qs <- go (k - 1), q <- [1 .. n], safe q qs]
    safe q qs = and [q /= c && abs (q - c) /= d | (d, c) <- zip [1 ..] qs]

mix :: Int -> Int -> Int
mix h v = (h `xor` v) * 1000003 + (h `shiftR` 31)

body :: Int -> Int
body seed = foldl' mix seed (sort (take 20000 (iterate (\x -> (x * 1103515245 + 12345) `mod` 2147483648) seed)))

oneRound :: Int -> IO Int
oneRound seed = do
  boxes <- forM [1 .. 4] $ \i -> do
    box <- newEmptyMVar
    _ <- forkIO (putMVar box $! body (seed * 10 + i))
    pure box
  results <- mapM takeMVar boxes
  pure $! foldl' mix (queens 7) results

main :: IO ()
main = do
  hSetBuffering stdout LineBuffering
  getContents >>= mapM_ (\line -> oneRound (read line) >>= print) . lines
