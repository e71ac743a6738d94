"""What each column contributed to an answer: exact for boosted trees and linear models, sampled for others."""
